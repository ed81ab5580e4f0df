"""Optimizers of ai.onnx.preview.training: one step of training, as arithmetic on a network's tensors, their gradients and what is carried
on from step to step. Formulas are those of the operators' definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.binary import Pow
from nchw2nhwc.ops.elementwise import Sqrt
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op

TRAINING = "ai.onnx.preview.training"


def _stepped(b: LayerBuilder, tensors: Sequence[Value], kinds: int, step: Callable[..., Sequence[Formula]]) -> list[Value]:
    """The results of `step` for each network tensor, all of the first kind before those of the second. `tensors` are the network's, then
    their gradients, then each kind of state, `kinds` groups in all."""
    count, rest = divmod(len(tensors), kinds)
    if rest or not count:
        raise b.damaged(f"{len(tensors)} tensors are not {kinds} for each tensor that is trained")
    groups = [tensors[k * count:(k + 1) * count] for k in range(kinds)]
    if any(v.type != x.type for x, *others in zip(*groups) for v in others):
        raise b.damaged("a tensor that is trained differs in type from its gradient or state")
    results = [step(*(Formula(b, v) for v in group)) for group in zip(*groups)]
    return [each.value for each in chain.from_iterable(zip(*results))]


def _scalar(b: LayerBuilder, value: Value, like: Value) -> Formula:
    """A number without axes, of the element type of `like`."""
    return Formula(b, b.cast(b.reshape(value, ()), like.type.dtype))


@onnx_op("Momentum", 1, domain=TRAINING)
def momentum(b: LayerBuilder, rate: Value, steps: Value, *tensors: Value, alpha: float, beta: float, mode: str,
             norm_coefficient: float) -> Sequence[Value]:
    """Stochastic gradient descent with momentum, "standard" or "nesterov"; from the second step on gradients are weighed by beta."""
    if mode not in ("standard", "nesterov"):
        raise b.damaged(f"there is no mode '{mode}'")

    def step(x: Formula, gradient: Formula, velocity: Formula) -> Sequence[Formula]:
        speed, count = _scalar(b, rate, x.value), Formula(b, b.reshape(steps, ()))
        slope = x * norm_coefficient + gradient
        weight = (count > 0).choose(b.scalar(beta, x.value), 1.0)
        moved = velocity * alpha + slope * weight
        return x - (moved if mode == "standard" else slope + moved * alpha) * speed, moved

    return _stepped(b, tensors, 3, step)


@onnx_op("Adagrad", 1, domain=TRAINING)
def adagrad(b: LayerBuilder, rate: Value, steps: Value, *tensors: Value, decay_factor: float = 0.0, epsilon: float = 1e-6,
            norm_coefficient: float = 0.0) -> Sequence[Value]:
    """Gradients divided by the root of the sum of all squared ones so far."""

    def step(x: Formula, gradient: Formula, squares: Formula) -> Sequence[Formula]:
        speed = _scalar(b, rate, x.value) / (_scalar(b, steps, x.value) * decay_factor + 1.0)
        slope = x * norm_coefficient + gradient
        total = squares + slope * slope
        return x - slope * speed / (total.apply(Sqrt()) + epsilon), total

    return _stepped(b, tensors, 3, step)


@onnx_op("Adam", 1, domain=TRAINING)
def adam(b: LayerBuilder, rate: Value, steps: Value, *tensors: Value, alpha: float = 0.9, beta: float = 0.999, epsilon: float = 1e-6,
         norm_coefficient: float = 0.0, norm_coefficient_post: float = 0.0) -> Sequence[Value]:
    """Running averages of gradients, divided by the root of those of their squares; from the second step on the rate makes up for
    averages that began with zeros."""

    def step(x: Formula, gradient: Formula, average: Formula, squares: Formula) -> Sequence[Formula]:
        speed, count = _scalar(b, rate, x.value), _scalar(b, steps, x.value)
        slope = x * norm_coefficient + gradient
        mean = average * alpha + slope * (1 - alpha)
        square = squares * beta + slope * slope * (1 - beta)
        powers = [Formula(b, b.scalar(base, x.value)).apply(Pow(), count) for base in (alpha, beta)]
        later = count > 0
        left = [1.0 - later.choose(power, 0.0) for power in powers]
        corrected = later.choose(speed * left[1].apply(Sqrt()) / left[0], speed)
        moved = x - mean * corrected / (square.apply(Sqrt()) + epsilon)
        return moved * (1 - norm_coefficient_post), mean, square

    return _stepped(b, tensors, 4, step)
