"""Which operators of the sources are supported, and what the targets make of them: tables from the registries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TypeAlias

from onnx import defs

import nchw2nhwc.emit.tflite
import nchw2nhwc.parse.onnx
import nchw2nhwc.parse.openvino  # noqa: F401  (importing these fills the registries)
from docs.generators.markdown import cell, code, table
from docs.generators.mentions import ops_of, strings_of, tuples_of
from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.emit.tflite.lowering import LOWERINGS as TFLITE
from nchw2nhwc.ops import REGISTRY, Op
from nchw2nhwc.parse.onnx.control import CONTROL
from nchw2nhwc.parse.onnx.functions import has_definition
from nchw2nhwc.parse.onnx.missing import REASONS as ONNX_REASONS
from nchw2nhwc.parse.onnx.registry import MAPPINGS, OLDEST_OPSET, newest_opset
from nchw2nhwc.parse.onnx.sequences import SEQUENCES
from nchw2nhwc.parse.openvino.control import CONTROL as OPENVINO_CONTROL
from nchw2nhwc.parse.openvino.missing import REASONS
from nchw2nhwc.parse.openvino.needed import HELD
from nchw2nhwc.parse.openvino.registry import NEWEST_OPSET, find, mappings
from nchw2nhwc.passes.decompose import DECOMPOSITIONS

Functions: TypeAlias = tuple[object, object]
"""A function that lowers, and the one that says what it refuses."""

DIRECT, COMPOSED, NO = "direct", "composed", "no"
"""The target has such an op; it is expressed in others; it is not available."""

_ELSEWHERE = (*CONTROL, *SEQUENCES)
"""What the reader itself understands: operators with subgraphs, and those of sequences and optionals."""

_READ = (*HELD, *OPENVINO_CONTROL)
"""What the reader of IRs itself understands: the ends of models, constants, states, and operations with bodies."""

_OTHER_NAMES = {"absolute": "abs", "ceil": "ceiling", "constant": "const"}
"""OpenVINO's functions that make an operation of another name."""

_BY_TYPE = {
    1: ("TensorIterator",), 5: ("Loop",), 8: ("If",),
    6: ("ExperimentalDetectronDetectionOutput", "ExperimentalDetectronGenerateProposalsSingleImage",
        "ExperimentalDetectronPriorGridGenerator", "ExperimentalDetectronROIFeatureExtractor", "ExperimentalDetectronTopKROIs"),
}
"""Operations that OpenVINO's modules of opsets have no functions for, by their opset."""

_NEVER_LEFT = "Dropout"
"""What only training needs is taken out before."""


# ---- targets -----------------------------------------------------------------------------------------------------------
@cache
def lowerings() -> Mapping[str, Mapping[type[Op], Functions]]:
    """The lowerings of every target. Needs Keras."""
    import nchw2nhwc.emit.keras  # noqa: F401  (importing it fills its table)
    from nchw2nhwc.emit.keras.lowering import LOWERINGS as KERAS

    return {"TFLite": {cls: (each.lower, each.refuse) for cls, each in TFLITE.table.items()},
            "Keras": {cls: (each.lower, each.refuse) for cls, each in KERAS.table.items()}}


def expressed(cls: type[Op], target: str) -> str:
    """How a target expresses an op class."""
    if cls in lowerings()[target]:
        return DIRECT
    return COMPOSED if DECOMPOSITIONS.of_class(cls) or cls.__name__ == _NEVER_LEFT else NO


def all_expressed(classes: Sequence[type[Op]], target: str) -> str:
    """How a target expresses what an operator may become; where that differs, which of the ops are not direct. Constants and shapes alone
    need nothing."""
    found = {cls: expressed(cls, target) for cls in classes}
    if len({*found.values()}) < 2:
        return next(iter(found.values()), DIRECT)
    named = (f"{how}: {', '.join(cls.__name__ for cls in classes if found[cls] == how)}" for how in (NO, COMPOSED))
    return "; ".join([DIRECT, *(text for text in named if not text.endswith(": "))])


def targets() -> str:
    """Every op class, what it means, what the targets make of it, and what limits their lowerings."""
    rows = [(code(name), cell(_first(cls)), *(expressed(cls, t) for t in lowerings()), _kernels(cls), _element_types(cls))
            for name, cls in sorted(REGISTRY.items())]
    return table(("op", "meaning", *lowerings(), "TFLite kernels", "element types in Keras"), rows)


def kernels() -> str:
    """What LiteRT's kernels take."""
    return table(("kernel", "element types", "highest rank"), [(code(k), v.types, str(v.rank)) for k, v in sorted(KERNELS.items())])


def _first(cls: type[Op]) -> str:
    """The first paragraph of an op's docstring."""
    return (cls.__doc__ or "").strip().split("\n\n")[0]


def _kernels(cls: type[Op]) -> str:
    """The kernels that the lowering of an op for TFLite may write."""
    found = lowerings()["TFLite"].get(cls)
    if found is None:
        return ""
    return ", ".join(code(s) for s in sorted({*strings_of(found, cls)} & KERNELS.keys()))


def _element_types(cls: type[Op]) -> str:
    """The element types that the lowering of an op for Keras says it takes; nothing where it says none."""
    from nchw2nhwc.emit.keras.lowering import ANY

    found = lowerings()["Keras"].get(cls)
    told = () if found is None else tuples_of(found[1], ANY)
    names = [name for name in ANY if any(name in types for types in told)]
    return "any" if len(names) == len(ANY) else " ".join(names)


# ---- sources -----------------------------------------------------------------------------------------------------------
def onnx_supported() -> str:
    """Every ONNX operator that is mapped: the versions of its definition that are, those that are not, and what it becomes."""
    rows = []
    for (domain, name), versions in sorted(MAPPINGS.items()):
        lacking = () if domain else tuple(v for v in in_force(name) if v not in versions)
        classes = dict.fromkeys(cls for v in sorted(versions) for cls in ops_of(versions[v].function))
        shown = _numbers(versions) + (f"; not {_numbers(lacking)}" if lacking else "")
        rows.append((code(f"{domain}.{name}" if domain else name), shown, *_made(tuple(classes))))
    return table(("operator", "versions", "becomes", *lowerings()), rows)


def onnx_defined() -> str:
    """The operators without a mapping that are read through ONNX's own definition of them, with the opset of the newest."""
    return _listed(name for name in _unmapped() if has_definition(name, newest_opset()))


def onnx_missing() -> str:
    """The operators of the newest operator set that can be read in neither way, with the opset of each one's newest definition, and why."""
    names = [name for name in _unmapped() if name not in _ELSEWHERE and not has_definition(name, newest_opset())]
    return table(("operator", "opset", "reason"), [(code(name), str(in_force(name)[-1]), ONNX_REASONS[name]) for name in names])


def _unmapped() -> list[str]:
    schemas = {s.name for s in defs.get_all_schemas_with_history() if not s.domain}
    return [name for name in sorted(schemas) if ("", name) not in MAPPINGS and in_force(name) and defs.has(name, newest_opset(), "")]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{code(name)} ({in_force(name)[-1]})" for name in names)


def openvino_supported() -> str:
    """Every layer type that is mapped: the opsets that introduced or changed it, and what it becomes."""
    found: dict[str, dict[int, tuple[type[Op], ...]]] = {}
    for each in mappings():
        found.setdefault(each.type, {})[each.since] = ops_of(each.function)
    rows = [(code(type), _numbers(since), *_made(tuple(dict.fromkeys(cls for classes in since.values() for cls in classes))))
            for type, since in sorted(found.items())]
    return table(("layer type", "from opset", "becomes", *lowerings()), rows)


def openvino_missing() -> str:
    """The operations of each of OpenVINO's opsets that are not read, and why. Needs OpenVINO."""
    rows = []
    for opset, names in operations().items():
        lacking = [name for name in names if find(name, f"opset{opset}") is None and name not in _READ]
        rows += [(code(name), str(opset), REASONS[name]) for name in lacking]
    return table(("layer type", "opset", "reason"), rows)


def openvino_opsets() -> str:
    """How many operations each of OpenVINO's opsets has, how many are new or changed in it, and how many are read. Needs OpenVINO."""
    rows = []
    known: dict[str, int] = {}
    for opset, names in operations().items():
        known.update(dict.fromkeys(names, opset))
        read = sum(find(name, f"opset{opset}") is not None or name in _READ for name in known)
        rows.append((str(opset), str(len(names)), str(len(known)), str(read)))
    return table(("opset", "new or changed", "operations", "of them read"), rows)


@cache
def operations() -> Mapping[int, tuple[str, ...]]:
    """The operations that each of OpenVINO's opsets introduces or changes, by the names of the layer types."""
    spelled = {name.lower(): name for name in (*(m.type for m in mappings()), *REASONS, *_READ)}
    found: dict[int, tuple[str, ...]] = {}
    for opset in range(1, NEWEST_OPSET + 1):
        module = f"openvino.opset{opset}"
        factories = vars(import_module(module)).items()
        own = [name.replace("_", "") for name, factory in factories if getattr(factory, "__module__", "").startswith(f"{module}.")]
        named = (spelled.get(_OTHER_NAMES.get(name, name), name) for name in own)
        found[opset] = tuple(sorted({*named, *_BY_TYPE.get(opset, ())}))
    return found


def in_force(operator: str) -> tuple[int, ...]:
    """The versions of a standard ONNX operator that models of opset 7 and newer can hold."""
    found = set()
    for opset in range(OLDEST_OPSET, newest_opset() + 1):
        if defs.has(operator, opset, ""):
            schema = defs.get_schema(operator, opset, "")
            if not schema.deprecated:
                found.add(schema.since_version)
    return tuple(sorted(found))


def _made(classes: tuple[type[Op], ...]) -> tuple[str, ...]:
    """What an operator becomes, and how each target expresses that."""
    names = ", ".join(cls.__name__ for cls in classes) or "a constant or nothing"
    return names, *(all_expressed(classes, target) for target in lowerings())


def _numbers(versions: Mapping[int, object] | Sequence[int]) -> str:
    return ", ".join(map(str, sorted(versions)))
