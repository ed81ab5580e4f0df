"""What every supported ONNX operator becomes. Importing this package imports all of its modules, which fills `registry.MAPPINGS`."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
