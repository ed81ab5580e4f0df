"""Matrix products, einsum and attention against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset7 as op7
import openvino.opset13 as op13
import openvino.opset14 as op14
import pytest

from nchw2nhwc.errors import ConversionError, SourceError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Case, Input, agree, boolean, case, given, model_of, saved

ATTENTION = ((2, 3, 4, 8), (2, 3, 5, 8), (2, 3, 5, 6))


def equation(text: str, *shapes: tuple[int, ...], ops: str | None = None) -> Case:
    return case(f"Einsum {text}", lambda *xs: op7.einsum(list(xs), text), *shapes, ops=ops, tolerance=1e-5)


REGULAR = given(np.eye(3) * 2 + np.random.default_rng(8).uniform(-1, 1, (2, 2, 3, 3)), np.float32)

CASES = [
    *(case(f"MatMul {a} {b}", lambda x, y, a=a, b=b: op1.matmul(x, y, a, b), (2, 3, 5, 4) if a else (2, 3, 4, 5), (6, 5) if b else (5, 6),
           ops="MatMul", tolerance=1e-5) for a in (False, True) for b in (False, True)),
    case("MatMul batches", lambda x, y: op1.matmul(x, y, False, False), (2, 1, 4, 5), (3, 5, 2), ops="MatMul", tolerance=1e-5),
    case("MatMul of a row", lambda x, y: op1.matmul(x, y, False, False), (5,), (2, 5, 3), ops="Reshape MatMul Reshape", tolerance=1e-5),
    case("MatMul of a row, transposed in vain", lambda x, y: op1.matmul(x, y, True, False), (5,), (5, 3), ops="Reshape MatMul Reshape",
         tolerance=1e-5),
    case("MatMul with a column", lambda x, y: op1.matmul(x, y, False, False), (2, 3, 5), (5,), ops="Reshape MatMul Reshape",
         tolerance=1e-5),
    case("MatMul of two vectors", lambda x, y: op1.matmul(x, y, False, False), (5,), (5,), ops="Reshape Reshape MatMul Reshape",
         tolerance=1e-5),
    case("MatMul of bytes", lambda x, y: op1.matmul(op1.subtract(op1.convert(x, "i32"), np.int32(9)), op1.convert(y, "i32"), False, True),
         Input((3, 5), np.uint8, 0, 256), Input((4, 5), np.int8, -128, 128)),
    case("attention", op13.scaled_dot_product_attention, *ATTENTION, ops="MatMul Mul Softmax MatMul", tolerance=1e-5),
    case("causal attention", lambda q, k, v: op13.scaled_dot_product_attention(q, k, v, causal=True), *ATTENTION,
         ops="MatMul Mul Where Softmax MatMul",
         tolerance=1e-5),
    case("attention with a mask", op13.scaled_dot_product_attention, *ATTENTION, (1, 1, 4, 5), ops="MatMul Mul Add Softmax MatMul",
         tolerance=1e-5),
    case("attention with a scale", lambda q, k, v: op13.scaled_dot_product_attention(q, k, v, np.float32(0), np.float32(0.2)), *ATTENTION,
         ops="MatMul Mul Softmax MatMul", tolerance=1e-5),
    equation("ij,jk->ik", (3, 4), (4, 5), ops="MatMul"),
    equation("bhwc,hkc->bhwk", (2, 3, 4, 5), (3, 6, 5)),
    equation("nchw->nhwc", (2, 3, 4, 5), ops="Transpose"),
    equation("ab,cd->abcd", (2, 3), (4, 5)),
    equation("abc->b", (2, 3, 4), ops="ReduceSum"),
    equation("abc,bd->ad", (2, 3, 4), (3, 5)),
    equation("ab,bc,cd->da", (2, 3), (3, 4), (4, 5)),
    equation("ab,ab->", (2, 3), (2, 3)),
    equation("ba,cb", (2, 3), (4, 2)),
    equation("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
    equation("...ij,jk->i...k", (2, 6, 3, 4), (4, 5)),
    equation("a...,...b->b...a", (2, 3, 1), (3, 4, 5)),
    equation("...a,a...", (2, 3, 4), (4, 2, 3)),
    equation("iij->ij", (3, 3, 4)),
    equation("iji,jk->k", (3, 4, 3), (4, 2)),
    case("Inverse", op14.inverse, REGULAR, tolerance=1e-4),
    case("Inverse of one matrix", op14.inverse, (4, 4), tolerance=1e-4),
    case("Inverse adjoint", lambda x: op14.inverse(x, adjoint=True), REGULAR, tolerance=1e-4),
    case("Inverse of numbers", op14.inverse, (5, 1, 1), tolerance=1e-4),
    case("Inverse with zeros on the diagonal", op14.inverse, given([[[0, 2, 1], [1, 0, 0], [3, 1, 0]]], np.float32), tolerance=1e-5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_attention_with_a_boolean_mask(tmp_path: Path) -> None:
    """True is what is looked at; a row that looks at nothing would be undefined, so one column is always visible."""
    def build(q: object, k: object, v: object, m: object) -> object:
        return op13.scaled_dot_product_attention(q, k, v, op1.logical_or(m, np.array([True, False, False, False, False])))
    agree(case("boolean mask", build, *ATTENTION, boolean(1, 1, 4, 5), tolerance=1e-5), tmp_path)


@pytest.mark.parametrize(("old", "new", "error", "reason"), [
    ("ij,jk->ik", "ii,jk->ik", SourceError, "has no diagonal"), ("ij,jk->ik", "i.j,jk->k", SourceError, "does not fit"),
    ("ij,jk->ik", "ij->ij", SourceError, "does not fit"), ("ij,jk->ik", "ij,jk->iz", SourceError, "does not fit"),
    ("ij,jk->ik", "ij,ik->jk", SourceError, "sizes of label 'i'"), ("ij,jk->ik", "ijk,jk->ik", SourceError, "does not fit")])
def test_equations_that_do_not_fit(old: str, new: str, error: type[ConversionError], reason: str, tmp_path: Path) -> None:
    path = saved(model_of(equation("ij,jk->ik", (3, 4), (4, 5))), tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(error, match=reason):
        read_openvino(path)
