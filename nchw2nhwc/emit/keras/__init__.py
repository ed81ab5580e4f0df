"""Keras 3: a stored graph as a functional model of standard layers and `keras.ops`, which loads where this package is not installed.

`native` says which nodes need no decomposition, `passes` what is done to a graph before layout and after it, `emit_keras` makes the model
and `files` writes it. Importing this imports Keras.
"""

from nchw2nhwc.emit.keras.emit import Network, emit_keras
from nchw2nhwc.emit.keras.lowering import native, refusal

__all__ = ["Network", "emit_keras", "native", "refusal"]
