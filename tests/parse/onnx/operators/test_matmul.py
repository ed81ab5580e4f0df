"""Products of matrices against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import Dims, assert_as_runtime, model, node, ops, read, tensor


@pytest.mark.parametrize(("left", "right"), [
    ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (3,)), ((3,), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)),
    (("N", 2, 3), (3, 4)), (("N", "H", 3), ("N", 3, "H")),
])
def test_matmul(left: Dims, right: Dims) -> None:
    assert_as_runtime(model([node("MatMul", "x z")], [tensor("x", left), tensor("z", right)]), rtol=1e-4)


@pytest.mark.parametrize("opset", [7, 9, 11, 13])
@pytest.mark.parametrize(("attributes", "bias"), [
    ({}, (4,)), ({"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}, (2, 1)), ({"beta": 0.0}, (1,)), ({"transB": 1}, ()),
    ({"alpha": 3.0}, None),
])
def test_gemm(attributes: dict[str, object], bias: tuple[int, ...] | None, opset: int) -> None:
    if bias is None and opset < 11:
        pytest.skip("the last operand became optional in opset 11")
    rng = np.random.default_rng(0)
    shape = (4, 3) if attributes.get("transB") else (3, 4)
    constants = {"w": rng.standard_normal(shape).astype(np.float32), "c": rng.standard_normal(bias or ()).astype(np.float32)}
    source = node("Gemm", "x w" if bias is None else "x w c", **attributes)
    assert_as_runtime(model([source], [tensor("x", (3, 2) if attributes.get("transA") else (2, 3))], constants=constants, opset=opset),
                      rtol=1e-4)


def test_a_gemm_of_integers_with_half_of_the_product() -> None:
    """As ONNX's reference implementation: of the sum in floating point numbers what is before the point."""
    x, w, c = (np.array(values, np.int32) for values in ([[3, -5], [1, 7]], [[1, 2], [3, -4]], [5, -2]))
    source = model([node("Gemm", "x w c", alpha=0.5, beta=0.25)], [tensor("x", (2, 2), np.int32)], constants={"w": w, "c": c})
    (found,) = run(read(source), {"x": x}).values()
    np.testing.assert_array_equal(found, np.trunc(x @ w * 0.5 + c * 0.25).astype(np.int32))


def test_a_plain_gemm_is_a_matmul_and_an_add() -> None:
    constants = {"w": np.ones((3, 4), np.float32), "c": np.ones(4, np.float32)}
    assert ops(read(model([node("Gemm", "x w c")], [tensor("x", ("N", 3))], constants=constants))) == ["MatMul", "Add"]


@pytest.mark.parametrize(("source", "message"), [
    (node("Gemm", "x v"), "multiplies matrices"), (node("MatMul", "x x"), "do not fit"), (node("MatMul", "x s"), "two axes"),
    (node("Gemm", "x w", transA=2), "must be 0 or 1"),
])
def test_operands_that_do_not_fit(source: object, message: str) -> None:
    constants = {"v": np.zeros(3, np.float32), "s": np.zeros((), np.float32), "w": np.zeros((3, 4), np.float32)}
    with pytest.raises(ConversionError, match=message):
        read(model([source], constants=constants))  # type: ignore[list-item]
