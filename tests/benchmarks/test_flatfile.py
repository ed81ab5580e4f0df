from __future__ import annotations

from pathlib import Path

from ai_edge_litert.schema_py_generated import BuiltinOperator
from measure.flatfile import TensorEntry, read_facts

from tests.benchmarks.files import write_tflite


def test_operators_are_counted_by_name(tmp_path: Path) -> None:
    facts = read_facts(write_tflite(tmp_path / "m.tflite", [BuiltinOperator.ABS, BuiltinOperator.TRANSPOSE, BuiltinOperator.GELU, "FlexErf",
                                                            BuiltinOperator.TRANSPOSE, BuiltinOperator.ADD]))
    assert facts.operators == {"ABS": 1, "TRANSPOSE": 2, "GELU": 1, "CUSTOM FlexErf": 1, "ADD": 1}
    assert (facts.ops, facts.transposes) == (6, 2)


def test_files_with_the_old_operator_codes_only(tmp_path: Path) -> None:
    facts = read_facts(write_tflite(tmp_path / "m.tflite", [BuiltinOperator.ADD, BuiltinOperator.TRANSPOSE], old_codes=True))
    assert facts.operators == {"ADD": 1, "TRANSPOSE": 1}


def test_dynamic_dimensions_come_from_the_signature(tmp_path: Path) -> None:
    facts = read_facts(write_tflite(tmp_path / "m.tflite", [BuiltinOperator.ABS], shape=(1, 4), signature=(-1, 4)))
    assert (facts.inputs, facts.outputs) == ((TensorEntry("a", (-1, 4)),), (TensorEntry("b", (-1, 4)),))
