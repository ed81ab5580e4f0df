"""TensorFlow Lite: a stored graph as a FlatBuffer, without TensorFlow.

`native` says which nodes need no decomposition, `passes.target_passes` what still has to be done to a stored graph, `emit` makes the file
and `validate.validate` loads it in LiteRT.
"""

from nchw2nhwc.emit.tflite.emit import emit
from nchw2nhwc.emit.tflite.lowering import native, refusal
from nchw2nhwc.emit.tflite.writer import FlatBuffer

__all__ = ["FlatBuffer", "emit", "native", "refusal"]
