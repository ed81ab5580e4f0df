"""What random cases of operators are drawn with."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import ml_dtypes
import numpy as np
from onnx import defs, helper

Array: TypeAlias = np.ndarray
T = TypeVar("T")
OLDEST = 7
FLOATS = (np.float32, np.float32, np.float32, np.float16, np.float64)
INTS = (np.int32, np.int64, np.int8, np.uint8, np.int16, np.uint16, np.uint32, np.uint64)


class Size(int):
    """A size that a model may leave open, under its name."""

    name: str

    def __new__(cls, value: int, name: str) -> Size:
        made = super().__new__(cls, value)
        made.name = name
        return made


@dataclass
class Spec:
    """A case of an operator: operands (None: absent), attributes, and how many results, or their names ("": not wanted). `shapes` are those
    of the operands by number, with the sizes that may be open. `tolerance` is relative to the largest magnitude; integers may be off by
    `steps`."""

    inputs: list[Array | None]
    attributes: Mapping[str, object] = field(default_factory=dict)
    outputs: int | Sequence[str] = 1
    shapes: Mapping[int, Sequence[int]] = field(default_factory=dict)
    tolerance: float = 1e-4
    steps: int = 0
    always: frozenset[int] = frozenset()
    """Operands that are constants in every form."""
    bound: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Sizes that the numbers in an operand speak of, such as lengths: where it is a constant they are not open."""
    build: Callable[..., object] | None = None
    """Of OpenVINO's operations: makes one of the nodes of its operands."""
    about: str = ""
    """The same: what `build` does."""

    def met(self, *, fixed: bool) -> set[str]:
        """The names of sizes that constants have, which cannot be open; `fixed`: all operands but the first are constants."""
        first = next(k for k, x in enumerate(self.inputs) if x is not None)
        return {
            s.name
            for k, shape in (*self.shapes.items(), *self.bound.items())
            if k in self.always or (fixed and k != first)
            for s in shape
            if isinstance(s, Size) and k < len(self.inputs) and self.inputs[k] is not None
        }


class Draw:
    """Random choices of a case. Those of `sizes` and of numbers differ between two draws with another `run`, all others do not."""

    def __init__(self, op: str, seed: int, run: int = 0) -> None:
        self.op, self.run = op, run
        self.choice = random.Random(f"{op} {seed}")
        self.sizes = random.Random(f"{op} {seed} {run}")
        self.rng = np.random.default_rng([sum(op.encode()), seed, run])
        self._names = 0
        self.opset = self.version = 0
        if defs.has(op):
            self._choose_version()

    def _choose_version(self) -> None:
        """One of the operator's definitions, and an opset in which it holds."""
        op = self.op
        versions = sorted({s.since_version for s in defs.get_all_schemas_with_history() if (s.domain, s.name) == ("", op)})
        used = [v for k, v in enumerate(versions) if v >= OLDEST or k + 1 == len(versions) or versions[k + 1] > OLDEST]
        chosen = self.choice.choice([v for v in used if not defs.get_schema(op, max(v, OLDEST), "").deprecated])
        after = min([v for v in versions if v > chosen], default=defs.onnx_opset_version() + 1)
        self.opset = self.choice.randint(max(OLDEST, chosen), min(after - 1, defs.onnx_opset_version()))
        self.version = chosen

    def types(self, parameter: str = "T") -> list[type]:
        """The element types of numbers and truth values that a type parameter of the operator has."""
        schema = defs.get_schema(self.op, self.opset, "")
        found = next(c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == parameter)
        known = {"float": np.float32, "float16": np.float16, "double": np.float64, "bool": np.bool_, "bfloat16": ml_dtypes.bfloat16}
        known |= {np.dtype(t).name: t for t in INTS}
        return [known[name] for text in found if (name := text.removeprefix("tensor(").removesuffix(")")) in known]

    def dtype(self, parameter: str = "T", *, among: Sequence[type] | None = None) -> np.dtype:
        """One of the types of a parameter; float32 half of the time, where it is one; never bfloat16."""
        types = [t for t in self.types(parameter) if t is not ml_dtypes.bfloat16 and (among is None or t in among)]
        if np.float32 in types and self.chance(0.5):
            return np.dtype(np.float32)
        return np.dtype(self.choice.choice(types))

    def one(self, *these: T) -> T:
        return self.choice.choice(these)

    def chance(self, p: float) -> bool:
        return self.choice.random() < p

    def integer(self, low: int, high: int) -> int:
        return self.choice.randint(low, high)

    def size(self, low: int = 1, high: int = 7) -> Size:
        """A size, which may be left open; ones and equal sizes are frequent."""
        self._names += 1
        value = self.sizes.choice([n for n in (1, 1, 2, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 12, 16, 20) if low <= n <= high] or [low])
        return Size(value, f"s{self._names}")

    def shape(self, low: int = 1, high: int = 5, *, sizes: tuple[int, int] = (1, 6)) -> tuple[Size, ...]:
        """A shape of `low` to `high` axes."""
        return tuple(self.size(*sizes) for _ in range(self.integer(low, high)))

    def broadcast(self, shape: Sequence[int]) -> tuple[int, ...]:
        """A shape that broadcasts to this one."""
        kept = shape[self.integer(0, len(shape)) :] if self.chance(0.3) else shape
        return tuple(1 if self.chance(0.25) else size for size in kept)

    def axis(self, rank: int, extra: int = 0) -> int:
        """An axis, possibly counted from the end."""
        return self.integer(-rank, rank - 1 + extra)

    def axes(self, rank: int, low: int = 1) -> list[int]:
        chosen = self.choice.sample(range(rank), self.integer(min(low, rank), rank))
        return [a - rank if self.chance(0.3) else a for a in chosen]

    def array(
        self, shape: Sequence[int], dtype: object = np.float32, low: float | None = None, high: float | None = None, *, special: float = 0.0
    ) -> Array:
        """Random numbers: normal ones, or uniform ones between `low` and `high`; with a chance of `special` some extreme ones."""
        dtype = np.dtype(dtype)
        shape = tuple(int(s) for s in shape)
        odd = self.chance(special)
        if dtype.kind == "b":
            return self.rng.random(shape) < 0.5
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            least, most = (max(info.min, -9), 9) if low is None else (int(low), int(high))
            made = self.rng.integers(least, most, shape, endpoint=True).astype(dtype)
            extremes = [info.min, info.max, info.max // 2 + 1, info.min + 1]
        else:
            made = self.rng.normal(0, 2, shape) if low is None else self.rng.uniform(low, high, shape)
            if low is None and self.chance(0.1):
                made = np.round(made * 2) / 2
            made = made.astype(dtype)
            extremes = [np.inf, -np.inf, -0.0, 0.0, 1e4, -6e4]  # kernels differ in NaN, and in what is larger
        if odd:
            made = np.where(self.rng.random(shape) < 0.25, self.rng.choice(np.array(extremes, dtype), shape), made)
        return np.asarray(made, dtype)

    def ints(self, values: Sequence[int], dtype: type = np.int64) -> Array:
        return np.array([int(v) for v in values], dtype)


Drawer: TypeAlias = Callable[[Draw], Spec | None]
DRAWERS: dict[str, Drawer] = {}


def draws(*ops: str) -> Callable[[Drawer], Drawer]:
    """Registers how the cases of operators are drawn; None is no case."""

    def register(drawer: Drawer) -> Drawer:
        for op in ops:
            DRAWERS[op] = drawer
        return drawer

    return register


def attribute_type(dtype: object) -> int:
    """ONNX's number of an element type."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
