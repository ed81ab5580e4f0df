"""FlexAttention in forms that ONNX's own tests do not have."""

from __future__ import annotations

import onnx
import pytest

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.parse.onnx import read_onnx
from tests.parse.onnx.models import assert_as_runtime

TEXT = """<ir_version: 13, opset_import: ["" : 26, "ai.onnx.preview" : 1]>
g (float[2,4,"L",8] q, float[2,2,"S",8] k, float[2,2,"S",8] v, float["L","S"] mask) => (float[2,4,"L",8] y) {
  y = ai.onnx.preview.FlexAttention<score_mod = s (float[2,4,"L","S"] x) => (float[2,4,"L","S"] z) { z = Add(x, mask) },
    prob_mod = p (float[2,4,"L","S"] x) => (float[2,4,"L","S"] z) <float two = {2}> { z = Mul(x, two) }, scale = 0.3>(q, k, v)
}"""


STANDARD = """<ir_version: 10, opset_import: ["" : 20]>
g (float[2,4,L,8] q, float[2,2,S,8] k, float[2,2,S,8] v, float[L,S] mask) => (float[2,4,L,8] y)
<int64[4] apart = {2, 2, -1, 8}, int64[4] whole = {2, 4, -1, 8}, int64[5] twice = {1, 1, 2, 1, 1}, int64[1] two = {2}, float scale = {0.3},
 float double = {2}> {
  k1 = Unsqueeze(k, two)  k2 = Tile(k1, twice)  k3 = Reshape(k2, whole)  k4 = Transpose<perm = [0, 1, 3, 2]>(k3)
  v1 = Unsqueeze(v, two)  v2 = Tile(v1, twice)  v3 = Reshape(v2, whole)
  p = MatMul(q, k4)  s = Mul(p, scale)  t = Add(s, mask)  r = Softmax<axis = 3>(t)  w = Mul(r, double)  y = MatMul(w, v3)
}"""


def model(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(text.replace('"L"', "L").replace('"S"', "S"))


def test_subgraphs_read_what_is_around() -> None:
    assert_as_runtime(model(TEXT), same_as=model(STANDARD), rtol=1e-4, atol=1e-5)


def test_precision() -> None:
    """Queries, keys and values in half, what is between the products not."""
    standard = STANDARD.replace("k1 = Unsqueeze(k,", "ks = Cast<to = 1>(k)  k1 = Unsqueeze(ks,").replace("(v,", "(vs,")
    standard = standard.replace("p = MatMul(q,", "qs = Cast<to = 1>(q)  p = MatMul(qs,").replace("  v1", "  vs = Cast<to = 1>(v)  v1")
    standard = standard.replace("y = MatMul(w, v3)", "z = MatMul(w, v3)  y = Cast<to = 10>(z)")
    exact = TEXT.replace("scale = 0.3", "softmax_precision = 1, scale = 0.3")
    assert_as_runtime(model(_half(exact)), same_as=model(_half(standard)), rtol=1e-2, atol=1e-2)


def _half(text: str) -> str:
    """The model with all inputs but the mask, and the output, in float16."""
    head, signature, *body = text.split("\n")
    mask = 'float["L","S"] mask' if "preview" in head else "float[L,S] mask"
    return "\n".join([head, signature.replace("float[", "float16[").replace(mask.replace("float", "float16"), mask), *body])


@pytest.mark.parametrize(("before", "after", "message"), [
    ("Add(x, mask)", "Concat<axis=0>(x, x)", "'score_mod' makes"), ("scale", "factor", "has no attribute 'factor'"),
    ("(q, k, v)", "(q, k)", "of 4 axes are needed"), ("(q, k, v)", "(q, k, mask)", "of 4 axes are needed"),
    ("Mul(x, two)", "Wonder(x, two)", "Wonder"), ("z = Add(x, mask)", "Z = Add(x, mask)", "'z' is read, but is not defined"),
])
def test_what_is_refused(before: str, after: str, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        verify(read_onnx(model(TEXT.replace(before, after)).SerializeToString()))
