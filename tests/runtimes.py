"""What tests that compare with a runtime need of it."""

from __future__ import annotations

import onnxruntime
import pytest

OLDEST_RUNTIME = (1, 32)
"""The ONNX Runtime that is compared with. 1.23, the newest for Python 3.10, lacks operators and forms of them, and crashes on some."""


def skip_with_older_runtime() -> None:
    """Skip the test that runs."""
    if tuple(map(int, onnxruntime.__version__.split(".")[:2])) < OLDEST_RUNTIME:
        pytest.skip(f"ONNX Runtime {onnxruntime.__version__} is older than what is compared with")
