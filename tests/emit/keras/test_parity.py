"""Every op computes in Keras what its reference says, as it is or decomposed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from nchw2nhwc.emit.keras import native
from nchw2nhwc.emit.keras.lowering import ANY, LOWERINGS
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import HardSigmoid, Selu, Swish
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Pow
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.indexing import TopK
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.norm import MVN, BatchNorm
from nchw2nhwc.ops.recurrent import Recurrent
from nchw2nhwc.ops.reduce import ReduceLogSum
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.rules import Contraction, Elementwise
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from tests.emit.keras.runs import check_converted, check_model
from tests.emit.tflite.runs import one_op, single, stored
from tests.ops.samples import ALL_OPS, op_cases
from tests.ops.sampling import Case

DECOMPOSED = {
    "no function at all": "Narrow FMod FakeQuantize Quantize Dequantize QuantizeDequantize GatherND GridSample ReverseSequence",
    "a formula over other functions": "Affine ScaledTanh Celu ThresholdedRelu ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum "
                                      "NormalizeL2 LRN",
    "axes that data decides": "DynamicReduce",
    "what TFLite alone has": "DetectionPostProcess",
    "pooling that Keras lacks": "LpPool AdaptiveAvgPool AdaptiveMaxPool",
    "no control flow in a functional model": "If Loop",
}
"""Ops that Keras cannot express; they are decomposed before."""

_OWN = {cls for cls in ALL_OPS if issubclass(cls, Recurrent)}
"""Ops whose weights have to be constant; their cases run in `test_recurrent`."""

_REFUSED = {name for names in DECOMPOSED.values() for name in names.split()}
_EXAMPLES = 4


def test_every_op_is_expressed_or_known_not_to_be() -> None:
    assert {cls.__name__ for cls in ALL_OPS} - {cls.__name__ for cls in LOWERINGS.table} == _REFUSED


@pytest.mark.parametrize("cls", [cls for cls in ALL_OPS if cls.__name__ not in _REFUSED | {"Sizes"} and cls not in _OWN],
                         ids=lambda cls: cls.__name__)
def test_parity(cls: type[Op]) -> None:
    """Operands besides one are constants or not; there must be cases that are native."""
    seen: list[bool] = []

    @settings(max_examples=_EXAMPLES)
    @given(data=st.data())
    def compare(data: DataObject) -> None:
        source, arrays = data.draw(op_cases(cls))
        op, operands = stored(source, [single(x) for x in arrays])
        fed = data.draw(st.integers(0, len(operands) - 1)) if isinstance(op.rule, (Elementwise, Contraction)) else 0
        constant = [k != fed and data.draw(st.booleans()) for k in range(len(operands))]
        if cls.__name__ in ("Conv", "ConvTranspose", "BatchNorm"):
            constant = [k > 0 for k in range(len(operands))]
        graph, inputs = one_op(op, operands, constant)
        seen.append(native(graph.nodes[0]))
        if seen[-1]:
            with np.errstate(all="ignore"):
                wanted = [np.asarray(y) for y in op.run(*operands)]
            check_model(graph, inputs, wanted)

    compare()
    assert any(seen) or cls in _USUAL or find(op_cases(cls), _is_native)


def _is_native(case: Case) -> bool:
    """With computed operands, or with all but the first of them constant."""
    op, operands = stored(case[0], [single(x) for x in case[1]])
    return any(native(one_op(op, operands, [fixed and k > 0 for k in range(len(operands))])[0].nodes[0]) for fixed in (False, True))


_USUAL: dict[type[Op], Op] = {HardSigmoid: HardSigmoid(1 / 6, 0.5), Selu: Selu(), Swish: Swish(), MVN: MVN((1, 2), 1e-5),
                             TopK: TopK(2, 3), Resize: Resize((6,), (2.0,), "nearest", "asymmetric", "floor", channels_last=True)}
"""Ops of which Keras has only the form that everybody uses."""


@pytest.mark.parametrize("shapes", [((2, 2), (2, 1)), ((2, 1), (2, 2)), ((3, 2, 2), (2, 1)), ((1, 2), (2, 1)), ((2, 1, 1), (1, 2)),
                                    ((2, 3, 3, 2), (3, 1)), ((2, 3, 4, 5), (3, 1, 1)), ((2, 4, 5), (4, 1)), ((2, 3), (3,)), ((3,), (3, 1))])
@pytest.mark.parametrize("constant", [False, True])
def test_sums_of_columns(shapes: tuple[tuple[int, ...], ...], constant: bool) -> None:
    """Keras may take a column for biases of another axis."""
    a, b = (np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape) for shape in shapes)
    graph, inputs = one_op(Add(), [a, b], [False, constant])
    check_model(graph, inputs, [a + b])


@pytest.mark.parametrize("op", _USUAL.values(), ids=lambda op: op.name)
def test_usual_forms(op: Op) -> None:
    x = np.linspace(-6, 6, 2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    graph, inputs = one_op(op, [x], [False])
    assert native(graph.nodes[0])
    check_model(graph, inputs, [np.asarray(y) for y in op.run(x)])


_NOT_IN_ONE_PIECE = {"Sizes", *DECOMPOSED["what TFLite alone has"].split(), *DECOMPOSED["axes that data decides"].split()}


@pytest.mark.parametrize("cls", [cls for cls in ALL_OPS if cls.__name__ not in _NOT_IN_ONE_PIECE and cls not in _OWN],
                         ids=lambda cls: cls.__name__)
def test_whole_pipeline(cls: type[Op]) -> None:
    """From source order through all passes and layout; what Keras cannot express is decomposed on the way."""
    @settings(max_examples=2)
    @given(case=op_cases(cls))
    def compare(case: Case) -> None:
        op, arrays = case[0], [single(x) for x in case[1]]
        parameters = isinstance(op, (Conv, ConvTranspose, BatchNorm, FullyConnected))
        graph, inputs = one_op(op, arrays, [k > 0 and parameters for k in range(len(arrays))])
        strange = any(x.dtype.name not in ANY for x in arrays) or getattr(op, "activation", Activation.NONE) is not Activation.NONE
        if strange or (cls is Pow and arrays[0].dtype.kind == "i") or (isinstance(op, Loop) and op.steps is None):
            return  # no parser makes fused activations, and Keras has no other element types, powers of integers, or loops
        if isinstance(op, ReduceLogSum) and arrays[0].dtype.kind in "iu" and np.min(arrays[0].sum(op.axes)) < 1:
            return  # which integer the logarithm of a sum below 1 becomes is not defined
        with np.errstate(all="ignore"):
            wanted = [np.asarray(y) for y in op.run(*arrays)]
        check_converted(graph, inputs, wanted)

    compare()
