"""Control flow: ops that hold graphs of their own, their bodies.

A body sees nothing but its inputs: what it reads of the graph around it is an operand of the node, too. Named dimensions mean the same in a
body as around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.copying import copied
from nchw2nhwc.ir.dim import Dim, Shape, Size
from nchw2nhwc.ir.graph import Graph
from nchw2nhwc.ir.interpreter import run_all
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op, static
from nchw2nhwc.ops.indexing import INT64
from nchw2nhwc.ops.rules import SourceOrder
from nchw2nhwc.options import Form

BOOL = np.dtype(np.bool_)


def _require_condition(condition: TensorType, what: str) -> None:
    if condition != TensorType(BOOL):
        raise ShapeError(f"{what} must be one truth value without axes, not {condition}")


def _require_inputs(body: Graph, given: Sequence[TensorType], what: str) -> None:
    """Raises ShapeError unless a body takes operands of these types."""
    wanted = [v.type for v in body.inputs]
    if wanted != list(given):
        raise ShapeError(f"{what} takes ({', '.join(map(str, wanted))}), not ({', '.join(map(str, given))})")


def _may_be(type: TensorType, result: TensorType) -> bool:
    """Whether a result of a branch is one of the If: where sizes differ that has a named dimension."""
    same = type.dtype == result.dtype and type.rank == result.rank
    return same and all(isinstance(r, Dim) or s == r for s, r in zip(type.shape, result.shape))


@dataclass(frozen=True)
class If(Op):
    """Operand 0, a truth value without axes, says which branch is computed; both take all other operands and give the same types.

    Where branches give results of different sizes, `shapes` are those of the results, with a named dimension for each such size.

    Source: ONNX If, OpenVINO If-8.
    """

    then_branch: Graph
    else_branch: Graph
    shapes: tuple[Shape, ...] | None = None
    rule = SourceOrder()

    @property
    def bodies(self) -> tuple[Graph, ...]:
        return self.then_branch, self.else_branch

    def with_bodies(self, bodies: Sequence[Graph]) -> If:
        then_branch, else_branch = bodies
        return replace(self, then_branch=then_branch, else_branch=else_branch)

    @property
    def decides(self) -> frozenset[str]:
        first, second = ([v.shape for v in body.outputs] for body in self.bodies)
        return frozenset().union(*(t.symbols for sizes in zip(first, second, self.shapes or ()) for s, o, t in zip(*sizes)
                                   if isinstance(t, Dim) and (s != t or o != t)))

    def infer(self, condition: TensorType, *operands: TensorType) -> tuple[TensorType, ...]:
        _require_condition(condition, "the condition of an If")
        _require_inputs(self.then_branch, operands, "the first branch of an If")
        _require_inputs(self.else_branch, operands, "the second branch of an If")
        first, second = (tuple(v.type for v in body.outputs) for body in self.bodies)
        results = first if self.shapes is None else tuple(map(TensorType.with_shape, first, self.shapes))
        fits = len(first) == len(second) == len(results) and all(map(_may_be, first, results)) and all(map(_may_be, second, results))
        if not fits or (self.shapes is None and first != second):
            raise ShapeError(f"the branches of an If give ({', '.join(map(str, first))}) and ({', '.join(map(str, second))})")
        return results

    def reference(self, condition: Array, *operands: Array) -> tuple[Array, ...]:
        return run_all(self.then_branch if bool(condition) else self.else_branch, operands)

    def bind(self, sizes: Mapping[str, int]) -> If:
        # Which sizes the results have is known once one of the branches has been computed.
        return self.with_bodies([copied(body, sizes) for body in self.bodies])


@dataclass(frozen=True)
class Loop(Op):
    """Computes `body` again and again.

    Operands are a condition (a truth value without axes, only where `steps` is None), the `carried` values as they are at first, and values
    that stay the same. The body takes the number of the iteration, from 0 on (int64, no axes), the carried values, and those that stay the
    same. It gives the next condition (again only where `steps` is None), the carried values after the iteration, and for each of `scans` a
    part of a result.

    With `steps` there are that many iterations; without, they end before the first one whose condition is false. Results are the carried
    values after the last iteration, then the parts of all iterations in their order, put together along the axes `scans`; there are parts
    only where the number of iterations is known first. `form` is how a target is asked to run them.

    With `count`, the name of a dimension, operand 0 is that number in the place of the condition (int64 without axes, none where it is
    negative), the body gives no condition, and results have the dimension where they would have `steps`.

    Source: ONNX Loop and Scan, OpenVINO Loop-5 and TensorIterator-1.
    """

    body: Graph
    carried: int
    steps: Size | None = None
    scans: tuple[int, ...] = ()
    form: Form = "auto"
    count: str = ""
    rule = SourceOrder()

    @property
    def bodies(self) -> tuple[Graph, ...]:
        return (self.body,)

    @property
    def decides(self) -> frozenset[str]:
        return frozenset((self.count,)) if self.count else frozenset()

    def with_bodies(self, bodies: Sequence[Graph]) -> Loop:
        (body,) = bodies
        return replace(self, body=body)

    @property
    def conditional(self) -> bool:
        """Whether a condition ends the loop: there is an operand, and a result of the body, for it."""
        return self.steps is None and not self.count

    @property
    def leading(self) -> int:
        """How many operands there are before the carried values: a condition or a number of iterations, if `steps` does not say it."""
        return int(self.steps is None)

    @property
    def iterations(self) -> Size | None:
        """How many there are, or the dimension that is named after that; None where a condition ends the loop."""
        return Dim.symbol(self.count) if self.count else self.steps

    def infer(self, *operands: TensorType) -> tuple[TensorType, ...]:
        given, made = list(operands), [v.type for v in self.body.outputs]
        if self.count and (self.steps is not None or not given or given.pop(0) != TensorType(INT64)):
            raise ShapeError("a loop has either a number of iterations that is known, or one as an int64 operand without axes")
        if self.conditional:
            if not given or not made or self.scans:
                raise ShapeError("a loop without a number of iterations needs conditions, and has no parts to put together")
            _require_condition(given.pop(0), "the condition of a loop")
            _require_condition(made.pop(0), "the next condition of a loop")
        _require_inputs(self.body, [TensorType(INT64), *given], "the body of a loop")
        if len(made) != self.carried + len(self.scans) or self.carried > len(given):
            raise ShapeError(f"the body of a loop gives {len(made)} values, not {self.carried} carried ones and {len(self.scans)} parts")
        for before, after in zip(given[:self.carried], made):
            if before != after:
                raise ShapeError(f"a value that a loop carries is {before} before an iteration and {after} behind it")
        return *made[:self.carried], *(self._whole(part, axis) for part, axis in zip(made[self.carried:], self.scans))

    def _whole(self, part: TensorType, axis: int) -> TensorType:
        """The type of the parts of all iterations together."""
        assert self.iterations is not None, "only loops with a number of iterations have parts"
        if not 0 <= axis < part.rank:
            raise ShapeError(f"parts {part} of a loop cannot be put together along axis {axis}")
        return part.with_shape(tuple(s * self.iterations if k == axis else s for k, s in enumerate(part.shape)))

    def reference(self, *operands: Array) -> tuple[Array, ...]:
        first, ahead = int(self.conditional), self.leading
        go_on = not self.conditional or bool(operands[0])
        state, fixed = operands[ahead:ahead + self.carried], operands[ahead + self.carried:]
        steps = None if self.conditional else int(operands[0]) if self.count else static(self.steps or 0, "the number of iterations")
        parts: list[tuple[Array, ...]] = []
        count = 0
        while go_on if steps is None else count < steps:
            made = run_all(self.body, (np.asarray(count, np.int64), *state, *fixed))
            go_on, state = not self.conditional or bool(made[0]), made[first:first + self.carried]
            parts.append(made[first + self.carried:])
            count += 1
        return *state, *(self._together(k, [part[k] for part in parts]) for k in range(len(self.scans)))

    def _together(self, index: int, parts: Sequence[Array]) -> Array:
        if parts:
            return np.concatenate(parts, self.scans[index])
        like = self.body.outputs[self.carried + index].type
        shape = [0 if k == self.scans[index] else static(s, "a size") for k, s in enumerate(like.shape)]
        return np.zeros(shape, like.dtype)

    def bind(self, sizes: Mapping[str, int]) -> Loop:
        op = super().bind(sizes)
        return op.with_bodies([copied(self.body, sizes)])
