"""What a .tflite file says about itself, read with LiteRT's own schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

DELEGATE_RANK = 4
"""The largest number of axes that delegates for GPUs take."""


@dataclass(frozen=True)
class TensorEntry:
    """An input or output of a file: its tensor's name and shape (-1: a dimension of any size)."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class FileFacts:
    """The operators of all subgraphs by name, and the first subgraph's inputs and outputs. `high_rank` are those operators that have an
    operand or a result of more than 4 axes, `bodies` those of other subgraphs than the first: what WHILE and IF hold."""

    operators: Counter[str]
    inputs: tuple[TensorEntry, ...]
    outputs: tuple[TensorEntry, ...]
    high_rank: Counter[str] = field(default_factory=Counter)
    bodies: Counter[str] = field(default_factory=Counter)

    @property
    def ops(self) -> int:
        return self.operators.total()

    @property
    def transposes(self) -> int:
        return self.operators["TRANSPOSE"]


def read_facts(path: Path) -> FileFacts:
    """Read a .tflite file."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}

    def name(index: int) -> str:
        code = model.operatorCodes[index]
        # Files for runtimes before 2.4 have the code in the older, one-byte field only.
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        return f"CUSTOM {code.customCode.decode()}" if code.customCode else names[builtin]

    main = model.subgraphs[0]

    def entries(indices: Sequence[int]) -> tuple[TensorEntry, ...]:
        tensors = [main.tensors[i] for i in indices]
        return tuple(TensorEntry(t.name.decode(), _shape(t.shape, t.shapeSignature)) for t in tensors)

    operators, high, bodies = Counter[str](), Counter[str](), Counter[str]()
    for subgraph in model.subgraphs:
        for operator in subgraph.operators or ():
            operators[name(operator.opcodeIndex)] += 1
            bodies[name(operator.opcodeIndex)] += subgraph is not main
            ranks = [len(_shape(subgraph.tensors[i].shape, None)) for i in (*operator.inputs, *operator.outputs) if i >= 0]
            high[name(operator.opcodeIndex)] += max(ranks) > DELEGATE_RANK
    return FileFacts(operators, entries(main.inputs), entries(main.outputs), +high, +bodies)


def _shape(shape: Sequence[int] | None, signature: Sequence[int] | None) -> tuple[int, ...]:
    """The signature, which marks dimensions of any size, where there is one."""
    chosen = signature if signature is not None and len(signature) else shape
    return tuple(map(int, chosen)) if chosen is not None else ()
