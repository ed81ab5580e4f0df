from __future__ import annotations

import json
from pathlib import Path

import pytest
from measure.keras_config import ConfigFacts, read_config


def _tensor(*shape: int | None) -> dict[str, object]:
    return {"class_name": "__keras_tensor__", "config": {"shape": list(shape), "dtype": "float32", "keras_history": ["x", 0, 0]}}


def _layer(name: str, class_name: str, module: str = "keras.layers", registered: str | None = None, **config: object) -> dict[str, object]:
    return {"module": module, "class_name": class_name, "config": {"name": name, **config}, "registered_name": registered, "name": name,
            "inbound_nodes": [{"args": [_tensor(None, 4, 4, 8)], "kwargs": {}}]}


def read(tmp_path: Path, *layers: dict[str, object]) -> ConfigFacts:
    file = tmp_path / "net_architecture.json"
    file.write_text(json.dumps({"module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional",
                                "config": {"name": "net", "layers": list(layers)}}))
    return read_config(file)


def test_layers_and_transposes_are_counted(tmp_path: Path) -> None:
    op = _layer("t", "Transpose", "keras.src.ops.numpy", "Transpose", axes=[0, 2, 1])
    facts = read(tmp_path, _layer("x", "InputLayer"), _layer("p", "Permute", dims=[2, 1, 3]), op, _layer("c", "Conv2D"))
    assert facts == ConfigFacts(4, 2, (), ())


@pytest.mark.parametrize("layer", [
    _layer("f", "Lambda"), _layer("f", "Mine", "mine.layers", "Custom>Mine"), _layer("f", "Dense", "keras.layers", "mine>Dense"),
    _layer("f", "Activation", activation={"class_name": "__lambda__", "config": {"value": "code"}}),
    _layer("f", "Dense", kernel_initializer={"module": "kerasish", "class_name": "Zeros", "config": {}}),
])
def test_what_needs_code_of_its_own_is_found(tmp_path: Path, layer: dict[str, object]) -> None:
    assert len(read(tmp_path, layer).foreign) == 1


def test_notations_for_plain_values_are_no_classes(tmp_path: Path) -> None:
    assert not read(tmp_path, _layer("r", "Reshape", shape={"class_name": "__tuple__", "items": [2, 3]})).foreign


def test_names_that_are_numbers_are_found(tmp_path: Path) -> None:
    facts = read(tmp_path, _layer("12", "ReLU"), _layer("1.2_3", "ReLU"), _layer("relu_12", "ReLU"), _layer("", "ReLU"))
    assert facts.numbered == ("12", "1.2_3", "")
