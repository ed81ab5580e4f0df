"""Convert OpenVINO IR and ONNX models to TensorFlow Lite, with the layout solved for instead of guessed.

    import nchw2nhwc
    model = nchw2nhwc.convert("model.onnx")
    model.save("model.tflite")

`convert`, `ConvertOptions`, `QuantizeOptions`, `Converted`, `CheckResult`, `TensorInfo`, `check` with what it returns (`Comparison`,
`TensorError`, `Rankings`, `LayerErrors`, `LayerError`) and the error types are the whole interface. Importing the package loads none of its
dependencies; they are imported when they are first needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nchw2nhwc.errors import (
    CheckError,
    ConversionError,
    Location,
    MissingOp,
    OptionError,
    OutputError,
    ShapeError,
    SourceError,
    TargetError,
    UnsupportedError,
    UnsupportedOpsError,
)

if TYPE_CHECKING:
    from nchw2nhwc.checking import CheckResult
    from nchw2nhwc.checking.compare import Rankings, TensorError
    from nchw2nhwc.checking.layers import LayerError, LayerErrors
    from nchw2nhwc.conversion import convert
    from nchw2nhwc.converted import Converted, TensorInfo
    from nchw2nhwc.debug.check import Comparison, check
    from nchw2nhwc.options import ConvertOptions
    from nchw2nhwc.options.quantize import QuantizeOptions

__version__ = "0.1.0"

__all__ = ["CheckError", "CheckResult", "Comparison", "ConversionError", "ConvertOptions", "Converted", "LayerError", "LayerErrors",
           "Location", "MissingOp", "OptionError", "OutputError", "QuantizeOptions", "Rankings", "ShapeError", "SourceError", "TargetError",
           "TensorError", "TensorInfo", "UnsupportedError", "UnsupportedOpsError", "__version__", "check", "convert"]

_LAZY = {"convert": "nchw2nhwc.conversion", "Converted": "nchw2nhwc.converted", "TensorInfo": "nchw2nhwc.converted",
         "ConvertOptions": "nchw2nhwc.options", "QuantizeOptions": "nchw2nhwc.options.quantize", "CheckResult": "nchw2nhwc.checking",
         "Comparison": "nchw2nhwc.debug.check", "Rankings": "nchw2nhwc.checking.compare", "TensorError": "nchw2nhwc.checking.compare",
         "LayerError": "nchw2nhwc.checking.layers", "LayerErrors": "nchw2nhwc.checking.layers", "check": "nchw2nhwc.debug.check"}


def __getattr__(name: str) -> object:
    """Import what is public on first use, so that `import nchw2nhwc` stays quick."""
    if name not in _LAZY:
        raise AttributeError(f"module 'nchw2nhwc' has no attribute '{name}'")
    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
