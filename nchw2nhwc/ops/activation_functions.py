"""Activation functions, Clip among them: ops of one operand that treat every element alike. What `elementwise` says of names and references
holds here, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, pi, sqrt

import numpy as np

from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops.kinds import NUMBER, Doubles, integer_range, kind_of
from nchw2nhwc.ops.special import erf_of, sigmoid_of
from nchw2nhwc.ops.unary import Composite, Unary


class Sigmoid(Composite):
    """1 / (1 + exp(-x)). ONNX Sigmoid, OpenVINO Sigmoid."""

    def formula(self, x: Doubles) -> Doubles:
        return sigmoid_of(x)


class Relu(Unary):
    """max(x, 0). ONNX Relu, OpenVINO ReLU."""

    kinds = NUMBER

    def compute(self, x: Array) -> Array:
        return np.asarray(np.maximum(x, np.zeros((), x.dtype)))


class Softplus(Composite):
    """log(1 + exp(x)). ONNX Softplus, OpenVINO SoftPlus."""

    def formula(self, x: Doubles) -> Doubles:
        return np.asarray(np.logaddexp(0.0, x))


class Softsign(Composite):
    """x / (1 + |x|). ONNX Softsign, OpenVINO SoftSign."""

    def formula(self, x: Doubles) -> Doubles:
        return np.asarray(x / (1 + np.abs(x)))


class Mish(Composite):
    """x * tanh(softplus(x)). ONNX Mish, OpenVINO Mish."""

    def formula(self, x: Doubles) -> Doubles:
        return x * np.tanh(np.logaddexp(0.0, x))


class HardSwish(Composite):
    """x * min(max(x + 3, 0), 6) / 6. ONNX HardSwish, OpenVINO HSwish."""

    def formula(self, x: Doubles) -> Doubles:
        return x * np.clip(x + 3, 0, 6) / 6


@dataclass(frozen=True)
class LeakyRelu(Composite):
    """x where x >= 0, else alpha * x. ONNX LeakyRelu, OpenVINO PReLU with one constant slope."""

    alpha: float = 0.01

    def formula(self, x: Doubles) -> Doubles:
        return np.where(x < 0, self.alpha * x, x)


@dataclass(frozen=True)
class Elu(Composite):
    """x where x > 0, else alpha * (exp(x) - 1). ONNX Elu, OpenVINO Elu."""

    alpha: float = 1.0

    def formula(self, x: Doubles) -> Doubles:
        return np.where(x > 0, x, self.alpha * np.expm1(x))


@dataclass(frozen=True)
class Selu(Composite):
    """gamma * (x where x > 0, else alpha * (exp(x) - 1)); the defaults are those of ONNX Selu. ONNX Selu, OpenVINO Selu."""

    alpha: float = 1.67326319217681884765625
    gamma: float = 1.05070102214813232421875

    def formula(self, x: Doubles) -> Doubles:
        return np.where(x > 0, self.gamma * x, self.gamma * self.alpha * np.expm1(x))


@dataclass(frozen=True)
class Celu(Composite):
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1)). ONNX Celu."""

    alpha: float = 1.0

    def formula(self, x: Doubles) -> Doubles:
        return np.maximum(x, 0) + np.minimum(self.alpha * np.expm1(x / self.alpha), 0)


@dataclass(frozen=True)
class ThresholdedRelu(Unary):
    """x where x > alpha, else 0. ONNX ThresholdedRelu."""

    alpha: float = 1.0

    def compute(self, x: Array) -> Array:
        return np.where(x > np.asarray(self.alpha, x.dtype), x, np.zeros((), x.dtype))


@dataclass(frozen=True)
class Swish(Composite):
    """x * sigmoid(beta * x). ONNX Swish (attribute alpha), OpenVINO Swish."""

    beta: float = 1.0

    def formula(self, x: Doubles) -> Doubles:
        return x * sigmoid_of(self.beta * x)


@dataclass(frozen=True)
class Affine(Composite):
    """alpha * x + beta. The activation Affine of ONNX's recurrent layers."""

    alpha: float = 1.0
    beta: float = 0.0

    def formula(self, x: Doubles) -> Doubles:
        return self.alpha * x + self.beta


@dataclass(frozen=True)
class ScaledTanh(Composite):
    """alpha * tanh(beta * x). The activation ScaledTanh of ONNX's recurrent layers."""

    alpha: float = 1.0
    beta: float = 1.0

    def formula(self, x: Doubles) -> Doubles:
        return self.alpha * np.tanh(self.beta * x)


@dataclass(frozen=True)
class HardSigmoid(Composite):
    """min(max(alpha * x + beta, 0), 1). ONNX HardSigmoid, OpenVINO HardSigmoid (and HSigmoid: alpha = 1/6, beta = 0.5)."""

    alpha: float = 0.2
    beta: float = 0.5

    def formula(self, x: Doubles) -> Doubles:
        return np.clip(self.alpha * x + self.beta, 0, 1)


@dataclass(frozen=True)
class Gelu(Composite):
    """x / 2 * (1 + erf(x / sqrt 2)), or with `approximate` x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).

    ONNX Gelu, OpenVINO Gelu."""

    approximate: bool = False

    def formula(self, x: Doubles) -> Doubles:
        if self.approximate:
            inner = np.tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x))
        else:
            inner = erf_of(np.asarray(x / sqrt(2)))
        return np.asarray(0.5 * x * (1 + inner))


@dataclass(frozen=True)
class Clip(Unary):
    """min(max(x, self.min), self.max), None for no bound; where the bounds cross, the upper one wins. ONNX Clip, OpenVINO Clamp.

    Of integers exactly: a lower bound is rounded up, an upper bound down, and bounds beyond the type's range do nothing.
    """

    min: float | None = None
    max: float | None = None
    kinds = NUMBER

    def compute(self, x: Array) -> Array:
        if kind_of(x.dtype) == "integer":
            low, high = (None if b is None else np.asarray(b, x.dtype) for b in self._whole_bounds(x.dtype))
        else:
            low, high = (None if b is None else np.asarray(b, x.dtype) for b in (self.min, self.max))
        raised = x if low is None else np.maximum(x, low)
        return np.asarray(raised if high is None else np.minimum(raised, high))

    def _whole_bounds(self, dtype: DType) -> tuple[int | None, int | None]:
        least, most = integer_range(dtype)

        def within(bound: float | None, rounded: Callable[[float], int]) -> int | None:
            return None if bound is None else least if bound <= least else most if bound >= most else rounded(bound)

        return within(self.min, ceil), within(self.max, floor)
