"""One operator of a TFLite file as the tables of devices look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from nchw2nhwc.emit.tflite.model import Model, Operator, OptionValue, Subgraph, Tensor
from nchw2nhwc.ir import Array


class Site:
    """An operator with its tensors. `operands` holds None where one is left out."""

    def __init__(self, model: Model, subgraph: Subgraph, operator: Operator, readers: Mapping[int, Sequence[Operator]]) -> None:
        self.operator, self._model, self._subgraph, self._readers = operator, model, subgraph, readers
        self.operands = tuple(None if i < 0 else subgraph.tensors[i] for i in operator.inputs)
        self.results = tuple(subgraph.tensors[i] for i in operator.outputs)

    @cached_property
    def options(self) -> dict[str, OptionValue]:
        """The attributes that are set, by the schema's names or those of a custom operator."""
        return dict(self.operator.options.fields) if self.operator.options is not None else {}

    def option(self, name: str) -> OptionValue:
        """An attribute; 0 where it is not set."""
        return self.options.get(name, 0)

    @property
    def tensors(self) -> list[Tensor]:
        """All operands and results that are there."""
        return [t for t in (*self.operands, *self.results) if t is not None]

    @property
    def computed(self) -> list[Tensor]:
        """The operands that are computed, or inputs of the file."""
        return [t for t in self.operands if t is not None and not t.buffer]

    def operand(self, index: int) -> Tensor:
        """An operand that has to be there."""
        tensor = self.operands[index]
        assert tensor is not None, f"operand {index} of {self.operator.code} is left out"
        return tensor

    def constant(self, index: int) -> Array | None:
        """The content of a constant operand; None for any other."""
        tensor = self.operands[index] if index < len(self.operands) else None
        if tensor is None or not tensor.buffer:
            return None
        return self._model.blobs[tensor.buffer - 1].array.reshape(tensor.shape)

    @cached_property
    def readers(self) -> tuple[Operator, ...]:
        """The operators that read the first result."""
        return tuple(self._readers.get(self.operator.outputs[0], ()))

    def is_output(self) -> bool:
        """Whether the first result leaves the file."""
        return self.operator.outputs[0] in self._subgraph.outputs

    def type_of(self, tensor: int) -> str:
        """The element type of a tensor of the same subgraph, by its number."""
        return self._subgraph.tensors[tensor].dtype.name
