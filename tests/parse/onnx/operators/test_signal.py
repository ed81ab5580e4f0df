"""What ONNX's own cases of the Fourier transforms do not have; operands that are computed when the model runs among it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from onnx import NodeProto

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir import Array
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import assert_as_runtime, model, node, read, runtime, tensor

RNG = np.random.default_rng(0)


def assert_computed(source: NodeProto, given: Mapping[str, object], opset: int = 20, tolerance: float = 1e-4) -> None:
    """All operands are inputs."""
    data: dict[str, Array] = {name: np.asarray(value) for name, value in given.items()}
    made = model([source], [tensor(name, array.shape, array.dtype) for name, array in data.items()], opset=opset)
    (wanted,) = runtime(made, data)
    (found,) = run(read(made), data).values()
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert np.abs(found - wanted).max() <= tolerance * np.abs(wanted).max()


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def test_stft_of_a_signal_without_parts() -> None:
    """(batch, length), as PyTorch's exporter writes it and ONNX Runtime takes it."""
    constants = {"hop": np.array(4), "window": np.hanning(8).astype(np.float32)}
    graph = assert_as_runtime(model([node("STFT", "x hop window")], [tensor("x", (2, 20))], ("y",), constants))
    assert graph.outputs[0].shape == (2, 4, 5, 2)


@pytest.mark.parametrize("axis", [1, -2, 2])
@pytest.mark.parametrize("length", [None, 4, 5, 9])
@pytest.mark.parametrize(("parts", "attributes"), [(1, {}), (2, {}), (1, {"onesided": 1}), (2, {"inverse": 1})])
def test_dft_of_a_computed_length(parts: int, attributes: dict[str, int], length: int | None, axis: int) -> None:
    given: dict[str, object] = {"x": normal(2, 5, 6, parts)}
    if length is not None:
        given["n"] = np.int64(length)
    assert_computed(node("DFT", f"x {'-' if length is None else 'n'} a", **attributes), {**given, "a": np.int64(axis)})


@pytest.mark.parametrize("length", [None, 8, 7])
def test_inverse_dft_to_real_numbers(length: int | None) -> None:
    """Of what a transform of 8 or 7 real numbers is; ONNX Runtime has none, numpy has."""
    x = normal(2, 5, 3, 2)
    for axis in (1, 2):
        given: dict[str, Array] = {"x": x, **({} if length is None else {"n": np.asarray(length)}), "a": np.asarray(axis)}
        source = node("DFT", f"x {'-' if length is None else 'n'} a", inverse=1, onesided=1)
        found = run(read(model([source], [tensor(k, v.shape, v.dtype) for k, v in given.items()], opset=20)), given)["y"]
        wanted = np.fft.irfft(x[..., 0] + 1j * x[..., 1], length, axis)[..., None]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_dft_17_of_a_computed_length() -> None:
    assert_computed(node("DFT", "x n", axis=1), {"x": normal(2, 6, 1), "n": np.int64(8)}, opset=17)


@pytest.mark.parametrize(("parts", "onesided"), [(1, 1), (1, 0), (2, 0)])
@pytest.mark.parametrize("length", [6, 7])
def test_stft_of_a_computed_frame(parts: int, onesided: int, length: int) -> None:
    given = {"x": normal(2, 30, parts), "s": np.int64(5), "l": np.int64(length)}
    assert_computed(node("STFT", "x s - l", onesided=onesided), given, opset=17)


@pytest.mark.parametrize(("bands", "length", "low", "high"), [(8, 16, 0, 4096), (5, 31, 300, 3000), (20, 16, 0, 4000)])
def test_mel_weights_that_are_computed(bands: int, length: int, low: float, high: float) -> None:
    """More bands than bins as well."""
    given = {"n": np.int64(bands), "l": np.int64(length), "r": np.int64(8192), "a": np.float32(low), "b": np.float32(high)}
    assert_computed(node("MelWeightMatrix", "n l r a b"), given, opset=17)


def test_transforms_that_do_not_exist() -> None:
    for operands, parts in (("x n", 3), ("x - n", 2)):
        with pytest.raises(ConversionError, match="Fourier transform"):
            read(model([node("DFT", operands, onesided=1)], [tensor("x", (2, 5, parts)), tensor("n", (), np.int64)], opset=20))
