"""What is known of whole numbers, and the casts that go for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Mul, Sub
from nchw2nhwc.ops.elementwise import Cast, Ceil, Exp, Floor, Neg, Round
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.passes.rewrite import rule_pass
from nchw2nhwc.passes.wholes import WHOLES, whole_bounds
from tests.passes.nets import Net, check_pass, check_untouched

WHOLE = rule_pass("whole", WHOLES)
FLOAT, INT8, UINT8, INT32 = (np.dtype(t) for t in (np.float32, np.int8, np.uint8, np.int32))


def _quantized(net: Net, low: float, high: float) -> Value:
    """Numbers rounded and clipped."""
    x = net.input(2, 3)
    return net(Clip(low, high), net(Add(), net(Round(), net(Div(), x, 0.1)), 3))


def test_storing_whole_numbers_and_reading_them_again_goes() -> None:
    net = Net(FLOAT)
    x = net(Cast(INT8), _quantized(net, -128.0, 127.0))
    net.output(net(Exp(), net(Cast(FLOAT), x)))
    assert check_pass(net, WHOLE) == ["Div", "Round", "Add", "Clip", "Exp"]


def test_integers_through_floats() -> None:
    net = Net(FLOAT)
    net.output(net(Cast(INT32), net(Cast(FLOAT), net.input(2, 3, dtype=UINT8))))
    assert check_pass(net, WHOLE) == ["Cast"]


@pytest.mark.parametrize(("low", "high", "dtype"), [(-129.0, 127.0, INT8), (-128.0, 127.5, INT8), (-1.0, 3.0, UINT8), (None, 3.0, INT8)])
def test_what_may_wrap_around_stays(low: float, high: float, dtype: np.dtype[np.generic]) -> None:
    net = Net(FLOAT)
    net.output(net(Exp(), net(Cast(FLOAT), net(Cast(dtype), _quantized(net, low, high)))))
    check_untouched(net, WHOLE)


def test_fractions_stay() -> None:
    net = Net(FLOAT)
    net.output(net(Exp(), net(Cast(FLOAT), net(Cast(INT8), net(Clip(-3.0, 3.0), net.input(2, 3))))))
    check_untouched(net, WHOLE)
    net = Net(FLOAT)
    net.output(net(Exp(), net(Cast(FLOAT), net.input(2, 3, dtype=INT32))), net(Cast(INT32), net(Cast(FLOAT), net.input(2, dtype=INT32))))
    check_untouched(net, WHOLE)


@pytest.mark.parametrize("op", [Round(), Floor(), Ceil()])
def test_rounding_of_whole_numbers_goes(op: Op) -> None:
    net = Net(FLOAT)
    net.output(net(Exp(), net(op, net(Mul(), net(Cast(FLOAT), net.input(2, 3, dtype=UINT8)), 2))))
    assert check_pass(net, WHOLE) == ["Cast", "Mul", "Exp"]


def _step(data: st.DataObject, net: Net, x: Value) -> Value:
    """An op on `x`; floats that may lie outside of a type are not stored in it."""
    number = net.const(data.draw(st.sampled_from([0, 2, 3])), x.type.dtype)
    windows = MaxPool(kernel=(2,), strides=(1,), dilations=(1,), pads_begin=(1,), pads_end=(0,))
    ops: list[tuple[Op | Value, ...]] = [
        (Round(),), (Floor(),), (Ceil(),), (Relu(),), (Neg(),), (Clip(-2.0, 5.0),), (Clip(None, 2.5),), (Add(), number), (Sub(), number),
        (Mul(), number), (Add(), x), (Cast(FLOAT),), (Concat(0), x), (windows,)]
    if x.type.dtype != FLOAT:
        ops += [(Cast(INT8),), (Cast(UINT8),)]
    op, *rest = data.draw(st.sampled_from(ops))
    assert isinstance(op, Op)
    return net(op, x, *(v for v in rest if isinstance(v, Value)))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_bounds_hold(data: st.DataObject) -> None:
    """Random chains of ops: where bounds are claimed, every element is a whole number between them."""
    net = Net(FLOAT)
    values = [net.input(1, 2, 2, dtype=data.draw(st.sampled_from([FLOAT, UINT8, INT8]))) for _ in range(2)]
    for _ in range(data.draw(st.integers(1, 7))):
        values.append(_step(data, net, data.draw(st.sampled_from(values))))
    net.output(*values)
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    inputs = {v.name: np.asarray(rng.uniform(-9, 9, (1, 2, 2)) if v.type.dtype == FLOAT else rng.integers(0, 128, (1, 2, 2)), v.type.dtype)
              for v in net.graph.inputs}
    for value, array in zip(values, run(net.graph, inputs).values(), strict=True):
        bounds = whole_bounds(value)
        if bounds is not None:
            assert (array == np.rint(array)).all()
            assert bounds.low <= array.min()
            assert array.max() <= bounds.high
