"""Which operators of the sources are supported, and what the targets make of them: tables from the registries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache

from onnx import defs

import nchw2nhwc.emit.tflite
import nchw2nhwc.parse.onnx
import nchw2nhwc.parse.openvino  # noqa: F401  (importing these fills the registries)
from docs.generators.markdown import cell, code, table
from docs.generators.mentions import ops_of, strings_of
from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.emit.tflite.lowering import LOWERINGS as TFLITE
from nchw2nhwc.ops import REGISTRY, Op
from nchw2nhwc.parse.onnx.functions import has_definition
from nchw2nhwc.parse.onnx.registry import MAPPINGS, OLDEST_OPSET, newest_opset
from nchw2nhwc.parse.openvino.registry import mappings
from nchw2nhwc.passes.decompose import DECOMPOSITIONS

DIRECT, COMPOSED, NO = "direct", "composed", "no"
"""The target has such an op; it is expressed in others; it is not available."""

_ELSEWHERE = ("If",)
"""What the reader itself understands: the branch of a condition that is known."""

_NEVER_LEFT = "Dropout"
"""What only training needs is taken out before."""


# ---- targets -----------------------------------------------------------------------------------------------------------
@cache
def lowerings() -> Mapping[str, Collection[type[Op]]]:
    """The op classes that every target has lowerings for. Needs Keras."""
    import nchw2nhwc.emit.keras  # noqa: F401  (importing it fills its table)
    from nchw2nhwc.emit.keras.lowering import LOWERINGS as KERAS

    return {"TFLite": TFLITE.table.keys(), "Keras": KERAS.table.keys()}


def expressed(cls: type[Op], target: str) -> str:
    """How a target expresses an op class."""
    if cls in lowerings()[target]:
        return DIRECT
    return COMPOSED if DECOMPOSITIONS.of_class(cls) or cls.__name__ == _NEVER_LEFT else NO


def all_expressed(classes: Sequence[type[Op]], target: str) -> str:
    """How a target expresses what an operator becomes: as the hardest of its ops. Constants and shapes alone need nothing."""
    found = {expressed(cls, target) for cls in classes}
    return next((each for each in (NO, COMPOSED) if each in found), DIRECT)


def targets() -> str:
    """Every op class, what it means, and what the targets make of it."""
    rows = [(f"`{name}`", cell(_first(cls)), *(expressed(cls, t) for t in lowerings()), _kernels(cls))
            for name, cls in sorted(REGISTRY.items())]
    return table(("op", "meaning", *lowerings(), "TFLite kernels"), rows)


def kernels() -> str:
    """What LiteRT's kernels take."""
    return table(("kernel", "element types", "highest rank"), [(code(k), v.types, str(v.rank)) for k, v in sorted(KERNELS.items())])


def _first(cls: type[Op]) -> str:
    """The first paragraph of an op's docstring."""
    return (cls.__doc__ or "").strip().split("\n\n")[0]


def _kernels(cls: type[Op]) -> str:
    found = TFLITE.table.get(cls)
    if found is None:
        return ""
    return ", ".join(code(s) for s in sorted({*strings_of((found.lower, found.refuse), cls)} & KERNELS.keys()))


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
    """The operators of the newest operator set that can be read in neither way, with the opset of each one's newest definition."""
    return _listed(name for name in _unmapped() if name not in _ELSEWHERE and not has_definition(name, newest_opset()))


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
