"""Products and polynomials read back from nodes."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Add, Div, Mul, Pow, Sub
from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.passes.match import Pattern
from nchw2nhwc.passes.recognise.algebra import array_product, is_polynomial, linear, polynomial, product_of
from nchw2nhwc.passes.rewrite import Mismatch
from tests.passes.nets import Net


def _pattern(net: Net, root: Value) -> Pattern:
    assert root.producer is not None
    return Pattern(net.graph, root.producer)


def test_polynomials_in_any_spelling() -> None:
    net = Net()
    x = net.input(3)
    cube = net(Mul(), net(Mul(), x, x), x)
    for value, wanted in (
            (x, {1: 1}), (net(Add(), x, 3.0), {1: 1, 0: 3}), (net(Sub(), 1.0, net(Neg(), x)), {0: 1, 1: 1}), (net(Sub(), x, x), {}),
            (net(Div(), net(Pow(), net(Add(), x, 1.0), 2.0), 2.0), {0: 0.5, 1: 1, 2: 0.5}),
            (net(Mul(), 0.5, net(Add(), x, net(Mul(), cube, 0.1))), {1: 0.5, 3: 0.05}), (net(Mul(), x, np.full(3, 2.0)), {1: 2})):
        assert is_polynomial(polynomial(_pattern(net, value), value, x) if value is not x else {1: 1.0}, wanted), wanted


def test_what_is_no_polynomial() -> None:
    net = Net()
    x = net.input(3)
    deep = x
    for _ in range(20):
        deep = net(Add(), deep, 1.0)
    for value in (net(Exp(), x), net(Mul(), x, [1.0, 2.0, 3.0]), net(Div(), x, 0.0), net(Div(), 1.0, x), net(Pow(), x, 0.5),
                  net(Add(Activation.RELU), x, 1.0), net(Add(), x, net(Exp(), x)), deep, net(Pow(), net(Pow(), x, 4.0), 4.0)):
        with pytest.raises(Mismatch):
            polynomial(_pattern(net, value), value, x)


def test_coefficients_are_compared_closely() -> None:
    assert is_polynomial({1: 0.1 + 1e-8}, {1: 0.1})
    assert not is_polynomial({1: 0.1001}, {1: 0.1})
    assert not is_polynomial({1: 0.1, 0: 1e-9}, {1: 0.1})


def test_linear_steps() -> None:
    net = Net()
    e = net(Exp(), net.input(3))
    middle = net(Add(), net(Mul(), 3.0, e), 6.0)
    value = net(Sub(), 1.0, net(Div(), middle, 2.0))
    assert linear(_pattern(net, value), value, lambda v, a, b: False) == (e, -1.5, -2.0)
    assert linear(_pattern(net, value), value, lambda v, a, b: v is middle) == (middle, -0.5, 1.0)
    assert linear(_pattern(net, e), e, lambda v, a, b: False) == (e, 1.0, 0.0)
    net.output(net(Neg(), middle))
    assert linear(_pattern(net, value), value, lambda v, a, b: False)[0] is middle
    reciprocal = net(Div(), 1.0, e)
    assert linear(_pattern(net, reciprocal), reciprocal, lambda v, a, b: False)[0] is reciprocal


def test_products() -> None:
    net = Net()
    x, y = net.input(3), net.input(3)
    root = net(Mul(), net(Neg(), net(Div(), net(Mul(), x, 3.0), 2.0)), net(Mul(), y, [1.0, 2.0, 3.0]))
    assert root.producer is not None
    found = product_of(_pattern(net, root), root.producer)
    assert found.number == -1.5
    assert set(found.values) == {x, y}
    np.testing.assert_array_equal(array_product(found.arrays), [1, 2, 3])


def test_products_end_at_values_with_other_readers() -> None:
    net = Net()
    shared = net(Mul(), net.input(3), 2.0)
    root = net(Mul(), shared, net(Exp(), shared))
    assert root.producer is not None
    assert product_of(_pattern(net, root), root.producer).values[0] is shared
