"""Every op that TFLite can express computes in LiteRT, with XNNPACK and without, what its reference says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from nchw2nhwc.emit.tflite import native
from nchw2nhwc.emit.tflite.lowering import LOWERINGS
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.rules import Contraction, Elementwise
from tests.emit.tflite.runs import check_file, one_op, prepared, single, stored
from tests.ops.samples import ALL_OPS, op_cases
from tests.ops.sampling import Case

DECOMPOSED = {
    "no operator at all": "Narrow Erf Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh FMod FakeQuantize",
    "a formula over other operators": "Softplus Softsign Mish Selu Celu ThresholdedRelu Swish HardSigmoid ReduceL1 ReduceL2 "
                                      "ReduceSumSquare ReduceLogSum ReduceLogSumExp BatchNorm MVN LayerNorm NormalizeL2 Affine "
                                      "ScaledTanh",
    "what gathering expresses": "GridSample",
    "what only training needs": "Dropout",
    "pooling that the kernels lack": "LpPool AdaptiveAvgPool AdaptiveMaxPool",
}
"""Ops that TFLite cannot express; they are decomposed before."""

_REFUSED = {name for names in DECOMPOSED.values() for name in names.split()}


def test_every_op_is_expressed_or_known_not_to_be() -> None:
    assert {cls.__name__ for cls in ALL_OPS} - {cls.__name__ for cls in LOWERINGS.table} == _REFUSED


@pytest.mark.parametrize("cls", [cls for cls in ALL_OPS if cls.__name__ not in _REFUSED], ids=lambda cls: cls.__name__)
def test_parity(cls: type[Op]) -> None:
    """Operands besides one are constants or not; there must be cases that are native."""
    seen: list[bool] = []

    @settings(max_examples=8)
    @given(data=st.data())
    def compare(data: DataObject) -> None:
        source, arrays = data.draw(op_cases(cls))
        op, operands = stored(source, [single(x) for x in arrays])
        fed = data.draw(st.integers(0, len(operands) - 1)) if isinstance(op.rule, (Elementwise, Contraction)) else 0
        constant = [k != fed and data.draw(st.booleans()) for k in range(len(operands))]
        graph, inputs = one_op(op, operands, constant)
        seen.append(native(graph.nodes[0]))
        if seen[-1]:
            with np.errstate(all="ignore"):
                wanted = [np.asarray(y) for y in op.run(*operands)]
            check_file(prepared(graph), inputs, wanted)

    compare()
    assert any(seen) or find(op_cases(cls), _is_native)


def _is_native(case: Case) -> bool:
    op, operands = stored(case[0], [single(x) for x in case[1]])
    return native(one_op(op, operands, [False] * len(operands))[0].nodes[0])
