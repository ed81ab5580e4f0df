"""What a function uses, told from its code: the op classes that a mapping may make, the kernels that a lowering may write.

The functions concerned are small and name what they use, so this needs no table beside the code that could fall behind. What only one
branch uses is found too: the answer is what a function may make, not what it makes of a certain model.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Collection, Iterator, Mapping
from functools import cache, partial
from types import CodeType, FunctionType, ModuleType

from nchw2nhwc.ops.base import Op
from nchw2nhwc.parse.onnx.registry import LayerBuilder

_PACKAGE = "nchw2nhwc"


def _makes_ops(method: FunctionType) -> bool:
    named = inspect.getclosurevars(method).globals.values()
    return any(isinstance(thing, type) and issubclass(thing, Op) and thing is not Op for thing in named)


@cache
def _methods() -> Mapping[str, FunctionType]:
    """The methods of builders that make certain ops for mapping functions, which call them by name."""
    found = {}
    for name, method in inspect.getmembers(LayerBuilder, inspect.isfunction):
        if not name.startswith("_") and _makes_ops(method):
            found[name] = method
    return found


def ops_of(start: object) -> tuple[type[Op], ...]:
    """The op classes that a mapping function mentions, in the order in which it does; what its helpers mention comes behind."""
    found: dict[type[Op], None] = {}
    for thing in _reached(start):
        if isinstance(thing, Op):
            found[type(thing)] = None
        elif isinstance(thing, type) and issubclass(thing, Op) and not thing.abstract:
            found[thing] = None
    return tuple(found)


def strings_of(start: object, cls: type[Op]) -> tuple[str, ...]:
    """The string constants of a function, of its helpers and of what it closes over. Of a table by op class only the entry of `cls`."""
    found: dict[str, None] = {}
    for thing in _reached(start, cls):
        if isinstance(thing, str):
            found[thing] = None
    return tuple(found)


def tuples_of(start: object, choices: Collection[str]) -> list[tuple[str, ...]]:
    """The tuples of nothing but some of `choices` that a function refers to or closes over."""
    return [thing for thing in _reached(start) if isinstance(thing, tuple) and thing and all(item in choices for item in thing)]


def _reached(start: object, cls: type[Op] | None = None) -> Iterator[object]:
    """Everything that `start` refers to by name or holds, through functions and objects of this package, nearest first."""
    queue, seen = [start], set()
    while queue:
        thing = queue.pop(0)
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        yield thing
        queue += _held(thing, cls)


def _held(thing: object, cls: type[Op] | None) -> list[object]:
    if isinstance(thing, FunctionType):
        return list(_named(thing)) if thing.__module__.startswith(_PACKAGE) else []
    if isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, (tuple, list, frozenset, set)):
        return list(thing)
    if isinstance(thing, dict):
        return [thing[cls]] if cls in thing else list(thing.values())
    if isinstance(thing, (type, ModuleType, Op)) or not type(thing).__module__.startswith(_PACKAGE):
        return []
    called = [vars(type(thing))["__call__"]] if callable(thing) else []
    return [*vars(thing).values(), *called]


def _named(function: FunctionType) -> Iterator[object]:
    """The values of the names that a function's code uses, and its constants."""
    scope, methods = inspect.getclosurevars(function), _methods()
    modules = [v for v in scope.globals.values() if isinstance(v, ModuleType) and v.__name__.startswith(_PACKAGE)]
    for instruction in _instructions(function.__code__):
        name = instruction.argval
        if instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            yield from (vars(module)[name] for module in modules if name in vars(module))
            if name in methods:
                yield methods[name]
        elif instruction.opname == "LOAD_CONST":
            yield name
        elif isinstance(name, str):
            yield scope.nonlocals.get(name, scope.globals.get(name))


def _instructions(code: CodeType) -> Iterator[dis.Instruction]:
    """Those of a function's code and of the functions inside it."""
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)
