"""What a result says of itself in its own metadata: the layouts of its inputs and outputs, and of the tensors between them.

It is JSON: `inputs` and `outputs` as in the report; `options`, those that say how to read the source (`input_shape`, `input_value`,
`batch`, `nms`, `random`, `inputs`, `outputs`, `mean`, `scale`, `reverse_channels`, `input_dtype`) and what the result is for (`target`),
as far as they were given; `float16`, true for a file whose weights are; `quantization`, the mode of a quantized file; `layouts`, a list
of `[factors, order]` (see `ir.stored.Stored`); and `tensors`, a list of `[tensor in the file, index into layouts, source's tensor]`, in
the order of execution, the last part left out where both names are the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nchw2nhwc.errors import Location, OptionError, SourceError
from nchw2nhwc.extras import require_tensorflow
from nchw2nhwc.interface import METADATA
from nchw2nhwc.ir.stored import Stored
from nchw2nhwc.options import ConvertOptions

_READING = ("input_shape", "input_value", "batch", "nms", "random", "inputs", "outputs", "mean", "scale", "reverse_channels",
            "input_dtype", "target")
_ADVICE = "Only results that this version of openvino2tf has written say how they are stored: convert the model again."


@dataclass(frozen=True)
class Declared:
    """One input or output: its name, the shape in the source (-1: any size), the permutation to the result, the result's element type."""

    name: str
    source_shape: tuple[int, ...]
    perm: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Metadata:
    """The metadata of a result. `tensors` holds for each tensor inside, by its name in the file, how it is stored."""

    inputs: tuple[Declared, ...]
    outputs: tuple[Declared, ...]
    options: ConvertOptions
    float16: bool
    tensors: Mapping[str, Stored]
    quantization: str = ""


def to_json(interface: bytes, options: ConvertOptions, tensors: Mapping[str, Stored], *, float16: bool) -> bytes:
    """The metadata of a result whose inputs and outputs are described by `interface` (see `report.interface_json`)."""
    numbers: dict[tuple[object, object], int] = {}
    listed = []
    for name, stored in tensors.items():
        number = numbers.setdefault((stored.factors, stored.order), len(numbers))
        listed.append([name, number] if name == stored.source else [name, number, stored.source])
    content = json.loads(interface)
    unset = ConvertOptions()
    content["options"] = {name: value for name in _READING if (value := getattr(options, name)) != getattr(unset, name)}
    if float16:
        content["float16"] = True
    content |= {"layouts": list(numbers), "tensors": listed}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def tensors_of(stored: Mapping[str, Stored], names: Mapping[str, str]) -> dict[str, Stored]:
    """By their names in the file, the tensors that equal one of the source; `names` are those names by the names of values."""
    found: dict[str, Stored] = {}
    for value, tensor in names.items():
        if value in stored and stored[value].source and stored[value].is_clear:
            found.setdefault(tensor, stored[value])
    return found


def read(path: Path) -> Metadata:
    """The metadata of a result. Raises SourceError when it cannot be read or is not there."""
    if path.suffix.lower() == ".tflite":
        return read_tflite(path)
    if path.suffix not in (".keras", ".h5") and not path.is_dir():
        raise SourceError("results of this kind cannot be checked", Location(path.name),
                          "Give a .tflite, .keras or .h5 file or the folder of a SavedModel.")
    require_tensorflow()
    from nchw2nhwc.emit.keras.metadata import read_metadata

    try:
        content = read_metadata(path)
    except OSError as error:
        raise SourceError(f"cannot read it: {error.strerror or error}", Location(str(path))) from None
    return parse(json.dumps(content).encode(), path.name)


def read_tflite(path: Path) -> Metadata:
    """`read` of a TFLite file, whatever it is called."""
    from nchw2nhwc.emit.tflite.metadata import read_entry

    content = read_entry(path, METADATA)
    if content is None:
        raise SourceError("the file does not say how its inputs and outputs are stored", Location(path.name), _ADVICE)
    return parse(content, path.name)


def parse(content: bytes, file: str) -> Metadata:
    """Metadata from its JSON. Raises SourceError."""
    try:
        found = json.loads(content)
        layouts = [(_ints2(factors), _ints(order)) for factors, order in found["layouts"]]
        options = ConvertOptions(**{name: value for name, value in found["options"].items() if name in _READING})
        return Metadata(_declared(found["inputs"]), _declared(found["outputs"]), options, bool(found.get("float16", False)),
                        {str(name): Stored(str(rest[0]) if rest else str(name), *layouts[number])
                         for name, number, *rest in found["tensors"]}, str(found.get("quantization", "")))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OptionError) as error:
        raise SourceError(f"the file's metadata cannot be understood ({type(error).__name__}: {error})", Location(file), _ADVICE) from None


def _declared(entries: Sequence[Mapping[str, object]]) -> tuple[Declared, ...]:
    return tuple(Declared(str(e["name"]), _ints(e["source_shape"]), _ints(e["perm"]), str(e["dtype"])) for e in entries)


def _ints(values: object) -> tuple[int, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list")
    return tuple(int(v) for v in values)


def _ints2(values: object) -> tuple[tuple[int, ...], ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list")
    return tuple(map(_ints, values))

