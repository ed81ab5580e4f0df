"""Files of Keras models where the file system refuses."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from nchw2nhwc import convert
from nchw2nhwc.errors import OutputError
from tests.digits import ONNX

tf = pytest.importorskip("tensorflow")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HDF5 is asked before, TensorFlow's own file systems say so in errors of their own."""
    result = convert(ONNX)

    def refuse(*_: object, **__: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "no space")

    monkeypatch.setattr(tf.saved_model, "save", refuse)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("usage", "free")(50_000))
    for target in ("h5", "weights", "saved_model"):
        with pytest.raises(OutputError, match="No space left"):
            result.save_keras(tmp_path, (target,))
        assert list(tmp_path.iterdir()) == []
