"""The element types of a quantized file's inputs and outputs. What the quantizer leaves is float32 outside and integers inside.

An input that is to hold integers gets a DEQUANTIZE behind it, an output a QUANTIZE before it; `islands` removes both where the layers
beside them compute in integers too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from nchw2nhwc.errors import Location, OptionError
from nchw2nhwc.options import EVERY
from nchw2nhwc.quantize.flatfile import FLOAT32, INT8, INT16, TYPES, UINT8, Params, Part

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT

Ranges: TypeAlias = Mapping[str, tuple[float, float]]
"""Smallest and largest value of each tensor by its name in the float32 file."""


def apply_interface(model: ModelT, wanted: Mapping[str, str], ranges: Ranges, file: str) -> None:
    """Give the float32 inputs and outputs their element types, in place. `wanted` is by name, `EVERY` for all others. Raises OptionError
    for a name that does not exist."""
    part, signature = Part(model, model.subgraphs[0]), model.signatureDefs[0]
    names = {entry.name.decode(): entry for entry in (*signature.inputs, *signature.outputs)}
    unknown = [name for name in wanted if name != EVERY and name not in names]
    if unknown:
        raise OptionError(f"--io-dtype: '{unknown[0]}' is neither an input nor an output", Location(file), f"They are: {', '.join(names)}.")
    for entries, change in ((signature.inputs, _input), (signature.outputs, _output)):
        for entry in list(entries):
            name, tensor = entry.name.decode(), entry.tensorIndex
            dtype = wanted.get(name, wanted[EVERY])
            if dtype != "float32" and part.graph.tensors[tensor].type == FLOAT32:
                try:
                    change(part, tensor, dtype, ranges)
                except KeyError:
                    raise OptionError(f"no sample has values of '{name}', which is to be {dtype}: no range is known of it", Location(file),
                                      f"Give samples that have, or --io-dtype {name}=float32.") from None
                part.refresh()


def _input(part: Part, tensor: int, dtype: str, ranges: Ranges) -> None:
    inside = [part.params(op.outputs[0]) for op in part.readers[tensor] if part.code(op) == "QUANTIZE"]
    params = _of_type(inside[0] if inside else None, dtype) or _fitting(ranges, part.graph.tensors[tensor].name, dtype)
    floats = part.add_tensor(tensor, "_dequantized", None)
    for op in part.readers[tensor]:
        op.inputs = [floats if i == tensor else i for i in op.inputs]
    part.quantize(tensor, params)
    part.insert(part.operator("DEQUANTIZE", tensor, floats), after=None)


def _output(part: Part, tensor: int, dtype: str, ranges: Ranges) -> None:
    last = part.made_by(tensor, "DEQUANTIZE")
    name, values = part.graph.tensors[last.inputs[0] if last is not None else tensor].name, part.constant(tensor)
    if values is not None:
        ranges = {name.decode(): (float(values.min(initial=0)), float(values.max(initial=0)))}
    params = _of_type(part.params(last.inputs[0]) if last is not None else None, dtype) or _fitting(ranges, name, dtype)
    target = part.add_tensor(tensor, f"_{dtype}", params)
    part.redirect_output(tensor, target)
    part.insert(part.operator("QUANTIZE", tensor, target), after=part.maker.get(tensor))


def _of_type(inside: Params | None, dtype: str) -> Params | None:
    """The scale inside for an interface of this type, if both hold the same values."""
    if inside is not None and (inside.type, TYPES[dtype]) == (INT8, UINT8):
        return replace(inside, type=UINT8, zero_point=inside.zero_point + 128)
    return inside if inside is not None and inside.type == TYPES[dtype] else None


def _fitting(ranges: Ranges, name: bytes, dtype: str) -> Params:
    """A scale for the values that were seen, and 0."""
    low, high = ranges[name.decode()]
    low, high = min(low, 0.0), max(high, 0.0)
    if TYPES[dtype] == INT16:
        return Params(INT16, max(-low, high, 1e-9) / 32767, 0)
    scale = max(high - low, 1e-9) / 255
    zero = round(-low / scale)
    return Params(TYPES[dtype], scale, zero - 128 if TYPES[dtype] == INT8 else zero)
