"""Calibration samples from arrays: how they are cut, which are held out, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nchw2nhwc.errors import OptionError
from nchw2nhwc.interface import TensorInfo, describe
from nchw2nhwc.ir import Dim, TensorType
from nchw2nhwc.quantize.data import read_arrays, samples_of, split, spread


def info(name: str = "x", shape: tuple[int | Dim, ...] = (1, 3, 4, 5), dtype: str = "float32", *, last: bool = True) -> TensorInfo:
    """An input, channels-last in the result where it has four axes."""
    perm = (0, 2, 3, 1) if last and len(shape) == 4 else tuple(range(len(shape)))
    source = TensorType(np.dtype(dtype), shape)
    return describe(name, name, source, TensorType(source.dtype, tuple(shape[a] for a in perm)), perm)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.integers(1, 4), st.booleans(), st.sampled_from(("source", "result")), st.booleans())
def test_samples_come_out_as_they_went_in(batch: int, count: int, stacked: bool, layout: str, open_batch: bool) -> None:
    """Also where all axes have the same size, so that nothing but the option tells the layouts apart."""
    x = info(shape=(Dim.symbol("n") if open_batch else batch, 2, 2, 2))
    size = 1 if open_batch else batch
    wanted = [np.random.default_rng(k).random((size, 2, 2, 2), np.float32) for k in range(count)]
    arrays = [x.to_result(each) if layout == "result" else each for each in wanted]
    array = np.stack(arrays) if stacked else np.concatenate(arrays)
    samples = samples_of({"x": array}, [x], layout, "f")
    assert len(samples) == count
    for sample, each in zip(samples, wanted):
        np.testing.assert_array_equal(sample["x"], each)


def test_any_type_whose_values_fit() -> None:
    assert samples_of({"x": np.full((2, 3, 4, 5), 200, np.uint8)}, [info()], "source", "f")[0]["x"].dtype == np.float32
    ids = info("ids", (1, 4), "int32")
    assert samples_of({"ids": np.ones((3, 4), np.float64)}, [ids], "source", "f")[2]["ids"].dtype == np.int32
    for bad in (np.full((1, 4), 0.5), np.full((1, 4), 2**40)):
        with pytest.raises(OptionError, match="cannot hold"):
            samples_of({"ids": bad}, [ids], "source", "f")
    with pytest.raises(OptionError, match="too large"):
        samples_of({"x": np.full((1, 3, 4, 5), 1e300)}, [info()], "source", "f")


def test_numbers_without_axes() -> None:
    """A threshold, say: a sample of its own, or along an axis that counts samples."""
    scalar = info("t", ())
    assert [sample["t"].shape for sample in samples_of({"t": np.array(0.5)}, [scalar], "source", "f")] == [()]
    assert [float(sample["t"]) for sample in samples_of({"t": np.array([1.0, 2.0])}, [scalar], "source", "f")] == [1, 2]


def test_what_is_refused() -> None:
    good = np.zeros((4, 3, 4, 5), np.float32)
    for arrays, message in (
            ({"y": good}, "'y' is not an input"), ({}, "no array for the input 'x'"),
            ({"x": good[:, :2]}, r"\[4, 2, 4, 5\].*\[1, 3, 4, 5\]"),
            ({"x": good.transpose(0, 2, 3, 1)}, "--calibration-layout result"), ({"x": good[0]}, "shape"), ({"x": good[:0]}, "no sample"),
            ({"x": np.where(good == 0, np.nan, good)}, "NaN"), ({"x": good + np.inf}, "infinite"), ({"x": good.astype("U")}, "no numbers"),
            ({"x": good.astype(complex)}, "no numbers")):
        with pytest.raises(OptionError) as raised:
            samples_of(arrays, [info()], "source", "f.npz")
        assert re.search(message, str(raised.value), re.DOTALL), raised.value
        assert "f.npz" in str(raised.value)
    with pytest.raises(OptionError, match="no multiple of the model's 2"):
        samples_of({"x": good[:3]}, [info(shape=(2, 3, 4, 5))], "source", "f")
    with pytest.raises(OptionError, match="same number of samples: 'x' 4, 'y' 2"):
        samples_of({"x": good, "y": good[:2]}, [info(), info("y")], "source", "f")
    size = Dim.symbol("s")
    with pytest.raises(OptionError, match="'s' is 4 in 'x' and 3 in 'y'"):
        samples_of({"x": good, "y": good[:, :, :3]}, [info(shape=(1, 3, size, 5)), info("y", (1, 3, size, 5))], "source", "f")


def test_files_and_folders(tmp_path: Path) -> None:
    x = np.arange(4 * 60, dtype=np.float32).reshape(4, 3, 4, 5)
    np.savez(tmp_path / "b.npz", x=x[2:])
    np.save(tmp_path / "a.npy", x[:2])
    found = read_arrays(tmp_path, [info()], "source", 99)
    np.testing.assert_array_equal(np.concatenate([sample["x"] for sample in found]), x)
    assert len(read_arrays(tmp_path, [info()], "source", 3)) == 3
    (tmp_path / "c.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(OptionError, match=r"c\.npz.* no sound"):
        read_arrays(tmp_path, [info()], "source", 99)
    with pytest.raises(OptionError, match="one array, the model has 2 inputs"):
        read_arrays(tmp_path / "a.npy", [info(), info("y")], "source", 99)
    with pytest.raises(OptionError, match="No such file"):
        read_arrays(tmp_path / "none.npz", [info()], "source", 99)


def test_held_out() -> None:
    samples = [{"x": np.array([k])} for k in range(11)]
    parts = split(samples, "f")
    assert [int(s["x"][0]) for s in parts.tested] == [4, 9]
    assert len(parts.samples) == 9
    assert [len(split(samples[:n], "f").samples) for n in (1, 2, 4)] == [1, 1, 3]
    assert split(samples[:1], "f").tested == samples[:1]
    assert spread(10, 3) == [0, 4, 9]
    assert spread(2, 5) == [0, 1]
