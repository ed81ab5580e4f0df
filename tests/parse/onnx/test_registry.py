"""The registered operators against ONNX's own schemas: no version forgotten, no attribute misspelt, no operand too many."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from onnx import AttributeProto, defs

from nchw2nhwc.ir import Value
from nchw2nhwc.parse.onnx import operators
from nchw2nhwc.parse.onnx.registry import (
    EXPERIMENTAL,
    MAPPINGS,
    OLDEST_OPSET,
    WITHOUT_SCHEMA,
    LayerBuilder,
    OpMapping,
    find_mapping,
    newest_opset,
    onnx_op,
    operator_version,
)

STANDARD = sorted(op for domain, op in MAPPINGS if not domain)
OF_SCHEMAS = [(op, version, mapping) for (domain, op), versions in MAPPINGS.items() if not domain
              for version, mapping in versions.items() if WITHOUT_SCHEMA.get(op) != version and (op not in EXPERIMENTAL or version > 1)]
UNLIMITED = 2**31 - 1
SINCE_THEN: dict[str, frozenset[int]] = {"Upsample": frozenset({10})}
"""Versions that only take an operator away."""


def test_all_families_are_registered() -> None:
    """A module that the package does not import would silently leave its operators unsupported."""
    assert {f"{operators.__name__}.{path.stem}" for path in Path(operators.__path__[0]).glob("[!_]*.py")} <= set(sys.modules)
    assert len(STANDARD) > 120


@pytest.mark.parametrize("op", STANDARD)
def test_every_version_is_mapped(op: str) -> None:
    """All definitions that some operator set from 7 to the newest uses, and no others."""
    used = {operator_version(op, opset) for opset in range(OLDEST_OPSET, newest_opset() + 1)} - {None}
    mapped = {version for version in MAPPINGS["", op] if version <= newest_opset()}
    assert mapped | SINCE_THEN.get(op, frozenset()) == used


@pytest.mark.parametrize(("op", "version", "mapping"), OF_SCHEMAS, ids=[f"{op}-{version}" for op, version, _ in OF_SCHEMAS])
def test_signatures_are_those_of_the_schemas(op: str, version: int, mapping: OpMapping) -> None:
    schema = defs.get_schema(op, version, "")
    for name, attribute in schema.attributes.items():
        assert name in mapping.attributes, name
        kinds = {"FLOAT": AttributeProto.FLOAT, "INT": AttributeProto.INT, "STRING": AttributeProto.STRING, "TENSOR": AttributeProto.TENSOR,
                 "FLOATS": AttributeProto.FLOATS, "INTS": AttributeProto.INTS, "STRINGS": AttributeProto.STRINGS,
                 "SPARSE_TENSOR": AttributeProto.SPARSE_TENSOR}
        assert mapping.attributes[name].type == kinds[attribute.type.name], name
        assert attribute.required or not mapping.attributes[name].required, name
    unlimited = schema.max_input == UNLIMITED
    assert (mapping.most is None) == unlimited
    if not unlimited and mapping.most is not None:
        assert mapping.most >= schema.max_input
        assert mapping.required <= sum(i.option.name != "Optional" for i in schema.inputs)


def test_what_the_runtime_has_of_its_own_in_the_standard_domain() -> None:
    found = [find_mapping("", "LayerNormalization", opset) for opset in (11, 16, 17, newest_opset())]
    assert [version for _, version in filter(None, found)] == [1, 1, 17, 17]
    assert find_mapping("", "SimplifiedLayerNormalization", newest_opset()) is not None


def test_what_was_experimental_ended_with_opset_9() -> None:
    for op in EXPERIMENTAL:
        found = [find_mapping("", op, opset) for opset in (OLDEST_OPSET, 8)]
        assert [version for _, version in filter(None, found)] == [1, 1]
    assert find_mapping("", "Affine", 10) is None


def test_operators_of_other_sets_are_not_found() -> None:
    assert find_mapping("", "Wonder", 17) is None
    assert find_mapping("", "Upsample", 10) is None
    assert find_mapping("", "RMSNormalization", 22) is None, "it came with opset 23"
    assert find_mapping("com.microsoft", "Relu", 1) is None
    assert find_mapping("com.microsoft", "Gelu", 1) is not None


def test_the_newest_version_up_to_the_operator_set_is_found() -> None:
    found = [find_mapping("", "Clip", opset) for opset in (7, 10, 11, 13, newest_opset())]
    assert [version for _, version in filter(None, found)] == [6, 6, 11, 13, 13]


def test_registering_checks_signatures() -> None:
    def strange(b: LayerBuilder, x: Value, *, ratio: complex = 0) -> Value:
        return x

    with pytest.raises(TypeError, match="attribute 'ratio' of Strange is annotated complex"):
        onnx_op("Strange", 1)(strange)

    def relu(b: LayerBuilder, x: Value) -> Value:
        return x

    with pytest.raises(ValueError, match="Relu-13 is mapped twice"):
        onnx_op("Relu", 13)(relu)
