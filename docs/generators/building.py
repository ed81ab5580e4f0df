"""What ops, mappings and lowerings are built of: tables from the docstrings of the code itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields
from types import FunctionType

from docs.generators.markdown import cell, code, table
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_elementwise import kernel
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.ops import REGISTRY, Op, base, kinds
from nchw2nhwc.ops.expression import Expression
from nchw2nhwc.ops.rules import Rule
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.onnx.registry import LayerBuilder
from nchw2nhwc.parse.openvino import common
from nchw2nhwc.passes import match
from nchw2nhwc.passes.decompose import slices
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.rewrite import Rewriter

_EXAMPLES = 4
"""Ops that a rule or a family names."""

_OF_PASSES = ("activation", "channels_last", "form", "batch_first")
"""Attributes that a mapping leaves alone."""

_TFLITE = ("of", "operands", "out", "run", "op", "const", "weights", "ints", "temp", "cast", "cast_to", "alias", "shape_of")
_KERAS = ("of", "operand", "operands", "op", "layer", "set", "is_read")
_REWRITER = ("add", "add_all", "constant", "scalar", "inline")
_MATCH = (match.require, match.require_float, match.is_float, match.static_shape, match.static_sizes, match.array, match.scalar)
"""What lowerings and decompositions are written with; the rest of these classes is for the machinery around them."""


# ---- ops ---------------------------------------------------------------------------------------------------------------
def rules() -> str:
    """Every layout rule, what it says, and ops that have it."""
    found = [(code(_rule(cls)), cell(_first(cls)), _some([op for op in REGISTRY.values() if type(op.rule) is cls]))
             for cls in Rule.__subclasses__()]
    return table(("rule", "for", "such as"), found)


def families() -> str:
    """Every family of ops, what it is, what is left to write for an op of it, and ops that belong to it."""
    rows = [(f"`{cls.__name__}`, in `{_file(cls)}`", cell(_first(cls)), ", ".join(code(name) for name in _left(cls)),
             _some([op for op in REGISTRY.values() if issubclass(op, cls)])) for cls in _abstract(Op) if not cls.__name__.startswith("_")]
    return table(("family", "what it is", "to write", "such as"), rows)


def ops() -> str:
    """Every op as it is made in a mapping: its attributes, operands, module and meaning."""
    rows = [(code(_made(cls)), code(", ".join(_operands(cls))), code(cls.__module__.rpartition(".")[2]), cell(_first(cls)))
            for _, cls in sorted(REGISTRY.items())]
    return table(("op", "operands", "module", "meaning"), rows)


def _made(cls: type[Op]) -> str:
    """The call that makes an op; what has no default has to be given. What passes set is left out."""
    parts = [f.name if f.default is MISSING else f"{f.name}={f.default!r}" for f in fields(cls) if f.name not in _OF_PASSES]
    return f"{cls.__name__}({', '.join(parts)})"


def _operands(cls: type[Op]) -> list[str]:
    """The names that shape inference has for the operands."""
    found = [p for p in inspect.signature(cls.infer).parameters.values() if p.name != "self"]
    return [f"*{p.name}" if p.kind is p.VAR_POSITIONAL else f"{p.name}{'?' * (p.default is not p.empty)}" for p in found]


def attributes() -> str:
    """What the fields and methods of op classes are written with."""
    return _functions(base.axis_role, base.axes_role, base.per_axis_role, kinds.one_of, kinds.check_choices, kinds.require,
                      base.same_dtype, base.broadcast_shapes, base.static, kinds.wide)


def _rule(cls: type[Rule]) -> str:
    return f"{cls.__name__}({', '.join(f'{f.name}={f.default!r}' for f in fields(cls))})"


def _some(ops: Sequence[type[Op]]) -> str:
    names = [cls.__name__ for cls in ops]
    return ", ".join(names[:_EXAMPLES]) + (f" and {len(names) - _EXAMPLES} more" if len(names) > _EXAMPLES else "")


def _abstract(cls: type[Op]) -> Iterator[type[Op]]:
    for each in cls.__subclasses__():
        if each.abstract:
            yield each
            yield from _abstract(each)


def _left(cls: type[Op]) -> list[str]:
    """What all ops of a family that are not of a smaller one define themselves, attributes aside; else what the family leaves open."""
    own = [op for op in cls.__subclasses__() if not op.abstract]
    named = [{name for name in vars(op) if name not in ("__doc__", "__module__") and not name.startswith("_")} - {
        f.name for f in fields(op)} for op in own]
    open_ones = {name for name, f in vars(cls).items() if isinstance(f, FunctionType) and "NotImplementedError" in f.__code__.co_names}
    return sorted((set.intersection(*named) if named else set()) - {"abstract"} or open_ones)


# ---- sources -------------------------------------------------------------------------------------------------------------
def onnx() -> str:
    """What mappings of ONNX operators build with."""
    return _methods(LayerBuilder)


def openvino() -> str:
    """What mappings of OpenVINO operations build with."""
    return f"{_methods(Builder)}\n\n{_functions(*_functions_of(common))}"


# ---- targets -------------------------------------------------------------------------------------------------------------
def tflite() -> str:
    """What lowerings to TFLite build with."""
    return _functions(*(getattr(Emitter, name) for name in _TFLITE), kernel, options, of="e.")


def keras() -> str:
    """What lowerings to Keras build with. Needs Keras."""
    from nchw2nhwc.emit.keras.emitter import Emitter as KerasEmitter
    from nchw2nhwc.emit.keras.lowering import taking

    return _functions(*(getattr(KerasEmitter, name) for name in _KERAS), taking, of="e.")


def decompositions() -> str:
    """What decompositions build with."""
    terms = [f for cls in (Expression, Term) for name, f in vars(cls).items()
             if isinstance(f, FunctionType) and not name.startswith("_") and f.__doc__]
    return "\n\n".join([_functions(*(getattr(Rewriter, name) for name in _REWRITER), of="rw."), _functions(*_functions_of(slices)),
                        _functions(*_MATCH), _functions(*terms, of="term.")])


# ---- functions -----------------------------------------------------------------------------------------------------------
def _functions_of(module: object) -> list[FunctionType]:
    """The public functions that a module defines."""
    return [f for name, f in vars(module).items()
            if isinstance(f, FunctionType) and not name.startswith("_") and f.__module__ == module.__name__]  # type: ignore[attr-defined]


def _methods(cls: type) -> str:
    """The public methods of a class and of those it is derived from."""
    found = {name: f for each in cls.__mro__ for name, f in vars(each).items() if isinstance(f, FunctionType) and not name.startswith("_")}
    return _functions(*(f for name, f in found.items() if name != "layer"), of="b.")


def _functions(*functions: Callable[..., object], of: str = "") -> str:
    """A table of functions; methods have `of` in front of them."""
    return table(("", ""), [(code(_called(f, of).replace("|", "\\|")), cell(_first(f))) for f in functions])


def _called(function: Callable[..., object], of: str) -> str:
    """A function's name, parameters and result."""
    parameters = list(inspect.signature(function).parameters.values())
    method = bool(parameters) and parameters[0].name == "self"
    texts = []
    for p in parameters[method:]:
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        if p.kind is p.KEYWORD_ONLY and "*" not in "".join(texts):
            texts.append("*")
        texts.append(f"{star}{p.name}" + (f"={p.default!r}" if p.default is not p.empty else ""))
    result = str(inspect.signature(function).return_annotation).strip("'\"")
    return f"{of if method else ''}{function.__name__}({', '.join(texts)}) -> {result}"


def _first(thing: object) -> str:
    """The first paragraph of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n\n")[0]


def _file(cls: type) -> str:
    return cls.__module__.replace(".", "/") + ".py"
