"""Einsum against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import data, model, node, ops, read, tensor

SIZES = {"a": 2, "b": 3, "c": 4, "d": 5, "e": 6}
NAMES = "xzw"


def shapes(equation: str) -> list[tuple[int, ...]]:
    terms = equation.split("->")[0].replace(" ", "").split(",")
    return [tuple(n for part in term.replace("...", "!") for n in ((7, 1) if part == "!" else (SIZES[part],))) for term in terms]


@pytest.mark.parametrize("equation", [
    "ab->ba", "abc->b", "ab->", "ab,bc->ac", "ab,cb->ac", "ba,bc->ca", "abc,adc->abd", "abcd,abed->abce", "abcd,aebd->acbe", "ab,ab->ab",
    "ab,ab->", "a,b->ab", "ab,c->cab", "abc,cd", "ba", "ab , bc -> ac", "...ab,...bc->...ac", "...a,ab->...b", "ab,bc,cd->ad",
    "ab,a,b->", "abcd,cd->ab", "abc,bd->acd", "...->...", "abc,acd->abd", "a,a->a", "abcd,ecd->abe", "abc,dbc->ad",
    "cbc,bd", "aa,b",
])
def test_as_numpy(equation: str) -> None:
    operands = shapes(equation)
    inputs = [tensor(name, shape) for name, shape in zip(NAMES, operands)]
    graph = read(model([node("Einsum", " ".join(NAMES[:len(operands)]), equation=equation)], inputs))
    given = data(graph)
    wanted = np.einsum(equation.replace(" ", ""), *given.values())
    result = run(graph, given)["y"]
    assert result.shape == wanted.shape
    np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-4)


def test_ellipses_broadcast() -> None:
    graph = read(model([node("Einsum", "x z", equation="...ab,...bc->...ac")], [tensor("x", (6, 1, 2, 3)), tensor("z", (7, 3, 4))]))
    given = data(graph)
    np.testing.assert_allclose(run(graph, given)["y"], np.einsum("...ab,...bc->...ac", *given.values()), rtol=1e-4, atol=1e-4)


def test_operands_that_lie_well_are_not_transposed() -> None:
    inputs = [tensor("x", ("N", 3, 4)), tensor("z", ("N", 5, 4))]
    assert ops(read(model([node("Einsum", "x z", equation="bij,bkj->bik")], inputs))) == ["MatMul"]


def test_symbolic_sizes() -> None:
    graph = read(model([node("Einsum", "x z", equation="nchw,cd->ndhw")], [tensor("x", ("N", 3, "H", "W")), tensor("z", (3, 5))]))
    assert str(graph.outputs[0].type) == "float32[N, 5, H, W]"
    given = data(graph, unknown=4)
    np.testing.assert_allclose(run(graph, given)["y"], np.einsum("nchw,cd->ndhw", *given.values()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("equation", "message"), [
    ("ab->aa", "one twice"), ("ab->ac", "does not exist"), ("ab,bc->ac", "2 terms for 1"), ("abc->a", "does not fit"),
    ("aa->a", "diagonal"),
    ("a1->a", "does not fit"), ("...abc->a", "does not fit"), ("a b->ab c", "does not exist"), ("", "does not fit"),
    ("é->é", "does not fit"),
])
def test_equations_that_do_not_fit(equation: str, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        read(model([node("Einsum", "x", equation=equation)]))


def test_contracted_axes_have_one_size() -> None:
    with pytest.raises(ConversionError, match="differ in size"):
        read(model([node("Einsum", "x z", equation="ab,bc->ac")], [tensor("x", (2, 3)), tensor("z", (4, 5))]))
