"""OpenVINO IR, versions 10 and 11: .xml and .bin become an `ir.Graph`. Importing this package imports all of its modules, which fills the
table of `mappings`."""

from importlib import import_module
from pkgutil import iter_modules

from nchw2nhwc.parse.openvino.reader import read_openvino
from nchw2nhwc.parse.openvino.registry import mappings

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["mappings", "read_openvino"]
