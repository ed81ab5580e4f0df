"""Tensors, constants and operators of one subgraph, whatever they are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nchw2nhwc.emit.tflite.constants import Pool
from nchw2nhwc.emit.tflite.model import TYPES, CustomOptions, Operator, Options, Quantization, Subgraph, Tensor
from nchw2nhwc.emit.tflite.versions import version_of
from nchw2nhwc.errors import Location, TargetError
from nchw2nhwc.ir import Array, Dim, DType, Shape, evaluate


def computed_like(tensor: Tensor, name: str) -> Tensor:
    """Another tensor of the same type and shape, which is computed."""
    return replace(tensor, name=name, buffer=0, variable=False, quantization=None)


class SubgraphBuilder:
    """Builds one subgraph: operators belong to the layer `where`, contents of constants go into `pool`, which the subgraphs of a file
    share, and sizes that are not known are those of `sizes` until the file is given others."""

    def __init__(self, source: str, name: str, sizes: Mapping[str, int], opened: frozenset[str]) -> None:
        self.sizes, self.opened = sizes, opened
        """The named dimensions that the inputs of the file have are `opened`; data decides all others."""
        self.pool = Pool()
        self.subgraph = Subgraph(name)
        self.where = Location(source)
        self.shown: dict[Dim, tuple[int, int]] = {}
        """Where each symbolic size can be read: a tensor that has been computed, and its axis."""
        self._shapes: list[Shape] = []
        self._constants: dict[tuple[int, DType, tuple[int, ...], Quantization | None], int] = {}
        self._names: dict[str, int] = {}

    def tensor(self, index: int) -> Tensor:
        """What is known of a tensor."""
        return self.subgraph.tensors[index]

    def shape_of(self, index: int) -> Shape:
        """The shape of a tensor with its symbolic sizes."""
        return self._shapes[index]

    def custom(self, name: str, inputs: Sequence[int], outputs: Sequence[int], **attributes: float | int | bool) -> None:
        """Add a custom operator, which runs only where the application has it."""
        opts = CustomOptions(tuple(attributes.items()))
        self.subgraph.operators.append(Operator(name, 1, tuple(inputs), tuple(outputs), opts, self.where))
        for i in outputs:
            self._show(i)

    def plain(self, code: str, inputs: Sequence[int], outputs: Sequence[int], opts: Options | None = None) -> None:
        """Add an operator (-1: an operand that is left out) on tensors that its kernel is known to take."""
        operands = [None if i < 0 else self.tensor(i) for i in inputs]
        version = version_of(code, operands, [self.tensor(i) for i in outputs], opts)
        self.subgraph.operators.append(Operator(code, version, tuple(inputs), tuple(outputs), opts, self.where))
        for i in outputs:
            self._show(i)

    # ---- inside ----------------------------------------------------------------------------------------------------
    def _show(self, tensor: int) -> None:
        for axis, size in enumerate(self._shapes[tensor]):
            known = self.shown.get(size) if isinstance(size, Dim) else None
            if isinstance(size, Dim) and (known is None or len(self._shapes[known[0]]) > len(self._shapes[tensor]) == 1):
                self.shown[size] = tensor, axis

    def _twin(self, tensor: int, dtype: DType) -> int:
        like = self.tensor(tensor)
        return self._push(replace(computed_like(like, self._unique(like.name)), dtype=dtype), self._shapes[tensor])

    def _add(self, name: str, dtype: DType, shape: Shape) -> int:
        if dtype not in TYPES:
            raise TargetError(f"TFLite has no element type {dtype.name}", self.where)
        # What data decides has a stand-in until the model runs: what that leaves of another size can be less than nothing.
        fixed = tuple(number if (number := evaluate(s, self.sizes)) >= 0 else 1 for s in shape)
        signature = tuple(-1 if isinstance(s, Dim) else s for s in shape)
        decided = any(not s.symbols <= self.opened for s in shape if isinstance(s, Dim))
        made = Tensor(self._unique(name), dtype, fixed, signature if signature != fixed else None, decided=decided)
        return self._push(made, tuple(shape))

    def _push(self, tensor: Tensor, shape: Shape) -> int:
        self.subgraph.tensors.append(tensor)
        self._shapes.append(shape)
        return len(self.subgraph.tensors) - 1

    def _constant(self, array: Array, name: str, dtype: DType | None = None, quantization: Quantization | None = None) -> int:
        stored = array.dtype if dtype is None else dtype
        if stored not in TYPES:
            raise TargetError(f"TFLite has no element type {stored.name}", self.where)
        key = (self.pool.add(array, stored), stored, array.shape, quantization)
        if key not in self._constants:
            tensor = Tensor(self._unique(name), stored, array.shape, buffer=key[0], quantization=quantization)
            self._constants[key] = self._push(tensor, array.shape)
        return self._constants[key]

    def _unique(self, wanted: str) -> str:
        count = self._names.get(wanted)
        if count is None:
            self._names[wanted] = 0
            return wanted
        while True:
            count += 1
            name = f"{wanted}_{count}"
            if name not in self._names:
                self._names[wanted], self._names[name] = count, 0
                return name
