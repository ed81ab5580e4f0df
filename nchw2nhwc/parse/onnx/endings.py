"""Where a model ends: at its outputs, or at tensors of numbers that those are made of."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import GraphProto, NodeProto, TensorProto

from nchw2nhwc.errors import Location, UnsupportedError
from nchw2nhwc.parse.onnx.model import domain_of
from nchw2nhwc.parse.onnx.scores import ML

CLASSES = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
"""Attributes that name classes."""

SHOWN = 10
"""Names of classes that are shown at most."""


def numeric_ends(graph: GraphProto, where: Location) -> tuple[list[str], list[str]]:
    """The tensors that a model's outputs stand for, and in words which are none of its outputs, or left out.

    For a sequence of maps from classes to scores, which ZipMap makes, that is the tensor of these scores; for a sequence that
    SequenceConstruct makes, its elements. Outputs of strings, such as names of classes, are left out. Raises UnsupportedError where none
    is left."""
    makers = {name: node for node in graph.node for name in node.output if name}
    found: list[str] = []
    notes: list[str] = []
    declared = {info.name for info in graph.output}
    for info in graph.output:
        node, parts = _maker(makers, info.name), list[str]()
        if node is not None and (node.op_type, node.domain) == ("ZipMap", ML) and node.input:
            parts.append(node.input[0])
            notes.append(f"'{node.input[0]}' in the place of '{info.name}', a sequence of maps (ZipMap): the same scores, "
                         f"a column for each of the classes {_classes(node)}")
        elif node is not None and (node.op_type, domain_of(node.domain)) == ("SequenceConstruct", ""):
            parts += node.input
            notes.append(f"{', '.join(map(repr, node.input))} in the place of the sequence '{info.name}'")
        elif info.type.tensor_type.elem_type == TensorProto.STRING:
            notes.append(f"'{info.name}' is left out: it has strings, which the result has no tensor for")
        else:
            found.append(info.name)
        found += [name for name in dict.fromkeys(parts) if name not in found and name not in declared]
    if not found and graph.output:
        raise UnsupportedError("all outputs are strings, which the result has no tensors for", where,
                               "End the model before them with --outputs.")
    return found, notes


def _maker(makers: Mapping[str, NodeProto], name: str) -> NodeProto | None:
    """The node that makes a tensor, past those that hand it on."""
    seen: set[str] = set()
    while name in makers and name not in seen:
        seen.add(name)
        node = makers[name]
        if node.op_type != "Identity" or domain_of(node.domain) or not node.input:
            return node
        name = node.input[0]
    return None


def _classes(node: NodeProto) -> str:
    """The classes that a node names; of many the first ones."""
    given = [a for a in node.attribute if a.name in CLASSES]
    names = [repr(name.decode(errors="replace")) for a in given for name in a.strings] + [str(number) for a in given for number in a.ints]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
