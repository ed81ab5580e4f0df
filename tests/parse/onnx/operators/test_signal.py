"""What ONNX's own cases of the Fourier transforms do not have."""

from __future__ import annotations

import numpy as np

from tests.parse.onnx.models import assert_as_runtime, model, node, tensor


def test_stft_of_a_signal_without_parts() -> None:
    """(batch, length), as PyTorch's exporter writes it and ONNX Runtime takes it."""
    constants = {"hop": np.array(4), "window": np.hanning(8).astype(np.float32)}
    graph = assert_as_runtime(model([node("STFT", "x hop window")], [tensor("x", (2, 20))], ("y",), constants))
    assert graph.outputs[0].shape == (2, 4, 5, 2)
