"""The same trained networks quantized by us, by TensorFlow's converter and by onnx2tf, calibrated with the same samples."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import nchw2nhwc
from measure.quantize_runs import declared_sqnr, saved_name, sqnr_by_shape
from measure.samples import Floats, pictures, sounds, text_images
from nchw2nhwc.checking import source_tensors
from nchw2nhwc.errors import ConversionError
from nchw2nhwc.options.quantize import QuantizeOptions

MODES = ("float16", "dynamic", "int8", "int8-full", "int16x8")
ENDINGS = {"float16": "float16", "dynamic": "dynamic_range_quant", "int8": "integer_quant", "int8-full": "full_integer_quant",
           "int16x8": "integer_quant_with_int16_act"}
DIRECT, CONVERTER = "flatbuffer_direct", "tf_converter"
"""The two ways in which onnx2tf writes files."""
CALIBRATED, TESTED = 24, 64
TESTED_SMALL = 512
"""Samples of a network with two results: its ratio hangs on those few samples that it is not sure of."""
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Trained:
    """A trained network: where it is, the shapes it is converted with, and samples by input name, in the source's axis order."""

    name: str
    path: Path
    shapes: Mapping[str, Sequence[int]]
    samples: list[dict[str, Floats]]
    seed: int


@dataclass
class PeersRow:
    """SQNR in dB of the worst output by mode; None where no file was made or it does not run, with the reason in `notes`. `seed` is what
    the samples were drawn from."""

    network: str
    seed: int
    ours: dict[str, float | None] = field(default_factory=dict)
    tensorflow: dict[str, float | None] = field(default_factory=dict)
    flatbuffer_direct: dict[str, float | None] = field(default_factory=dict)
    tf_converter: dict[str, float | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def trained(wheels: Path | None, omz: Path | None, seed: int) -> Iterator[Trained]:
    """The networks that are there, with samples drawn from `seed`."""
    count = CALIBRATED + TESTED
    if wheels is not None:
        models = wheels / "rapidocr-onnxruntime" / "rapidocr_onnxruntime" / "models"
        for name, file, height, width, lines, tested in (("det", "ch_PP-OCRv4_det_infer.onnx", 320, 320, 6, TESTED),
                                                         ("rec", "ch_PP-OCRv4_rec_infer.onnx", 48, 320, 1, TESTED),
                                                         ("cls", "ch_ppocr_mobile_v2.0_cls_infer.onnx", 48, 192, 1, TESTED_SMALL)):
            drawn = text_images(CALIBRATED + tested, height, width, lines=lines, seed=seed)
            images = np.moveaxis(drawn, -1, 1).astype(np.float32) / 127.5 - 1
            yield Trained(f"rapidocr {name}", models / file, {"x": (1, 3, height, width)}, [{"x": image[None]} for image in images], seed)
        name = "serving_default_input_2:0"
        waves = [{name: wave[None, :, None]} for wave in sounds(count, 43844, seed=seed)]
        yield Trained("basic-pitch", wheels / "basic-pitch" / "basic_pitch" / "saved_models" / "icassp_2022" / "nmp.onnx",
                      {name: (1, 43844, 1)}, waves, seed)
    if omz is not None:
        large = np.moveaxis(pictures(count, 256, 384, seed=seed), -1, 1).astype(np.float32)
        small = large.reshape(count, 3, 64, 4, 96, 4).mean((3, 5))
        wide = small.repeat(4, 2).repeat(4, 3)
        yield Trained("super-resolution 1032", omz / "single-image-super-resolution-1032.FP32.xml",
                      {"0": (1, 3, 64, 96), "1": (1, 3, 256, 384)}, [{"0": s[None], "1": w[None]} for s, w in zip(small, wide)], seed)
        text = text_images(count, 96, 192, lines=3, seed=seed).mean(-1, dtype=np.float32)
        yield Trained("text super-resolution", omz / "text-image-super-resolution-0001.FP32.xml", {"0": (1, 1, 96, 192)},
                      [{"0": page[None, None]} for page in text], seed)


def compare(network: Trained, peer: Path | None, folder: Path) -> PeersRow:
    """All three on one network."""
    row = PeersRow(network.name, network.seed)
    converted = nchw2nhwc.convert(network.path, input_shape=network.shapes)
    wanted = [info.tensor for info in converted.outputs]
    tested = network.samples[CALIBRATED:]
    expected = [source_tensors(converted.source, converted.inputs, wanted, sample) for sample in tested]
    truth = [[e[name] for name in wanted] for e in expected]
    given = network.samples[:CALIBRATED]
    for mode in MODES:
        try:
            chosen = QuantizeOptions([mode], calibration=given)
            file = folder / f"ours_{mode}.tflite"
            converted.save(file, quantize=chosen)
            row.ours[mode] = declared_sqnr(file, converted, tested, truth, row.notes, f"ours, {mode}")
        except ConversionError as error:
            row.ours[mode], _ = None, row.notes.append(f"ours, {mode}: {error}")
    for mode, file in _tensorflow(converted, given, folder, row.notes):
        row.tensorflow[mode] = declared_sqnr(file, converted, tested, truth, row.notes, f"TensorFlow, {mode}") if file else None
    if peer is not None and network.path.suffix == ".onnx":
        for way, found in ((DIRECT, row.flatbuffer_direct), (CONVERTER, row.tf_converter)):
            for mode, file in _onnx2tf(network, converted, given, peer, way, folder, row.notes):
                found[mode] = sqnr_by_shape(file, tested, truth, row.notes, f"onnx2tf, {way}, {mode}") if file else None
    elif peer is not None:
        row.notes.append("onnx2tf does not read OpenVINO models")
    return row


def judge(rows: Sequence[PeersRow]) -> tuple[str, list[str]]:
    """How much better ours are on average, in words, and where they are worse: by more than 0.1 dB, which other rounding makes. A network
    counts with the average of its seeds."""
    lines, failures = [], []
    for name in ("tensorflow", DIRECT, CONVERTER):
        gains: dict[tuple[str, str], list[float]] = {}
        for row in rows:
            for mode, theirs in getattr(row, name).items():
                mine = row.ours.get(mode)
                if theirs is not None:
                    gains.setdefault((row.network, mode), []).append((-math.inf if mine is None else mine) - theirs)
        means = {key: sum(each) / len(each) for key, each in gains.items()}
        failures += [f"{network}, {mode}: {gain:+.1f} dB against {name}" for (network, mode), gain in means.items() if gain < -0.1]
        total = sum(means.values())
        lines.append(f"against {name}: {total / len(means):+.2f} dB on the average of {len(means)} files that run" if means else
                     f"against {name}: no file to compare with")
        failures += [f"not better than {name} on the average"] if means and total <= 0 else []
    return "\n".join(lines), failures


# ---- making files ------------------------------------------------------------------------------------------------------
def _tensorflow(converted: nchw2nhwc.Converted, given: Sequence[Mapping[str, Floats]], folder: Path,
                notes: list[str]) -> Iterator[tuple[str, Path | None]]:
    """TensorFlow's converter on our SavedModel, in a process of its own."""
    converted.save_keras(folder, ["saved_model"])
    data = folder / "samples.npz"
    arrays = {info.name: np.stack([info.to_result(sample[info.name]) for sample in given]) for info in converted.inputs}
    np.savez(data, **{saved_name(name): array for name, array in arrays.items()})
    model = folder / f"{converted.source.stem}_saved_model"
    command = [sys.executable, str(HERE / "tf_quantize.py"), str(model), str(data), str(folder), *MODES]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    told = {line.split()[0]: line for line in outcome.stdout.splitlines() if line.split()[:1] and line.split()[0] in MODES}
    for mode in MODES:
        line = told.get(mode, f"{mode} failed: the process ended with {outcome.returncode}")
        if line.endswith(" ok"):
            yield mode, folder / f"{mode}.tflite"
        else:
            notes.append(f"TensorFlow, {line}")
            yield mode, None


def _onnx2tf(network: Trained, converted: nchw2nhwc.Converted, given: Sequence[Mapping[str, Floats]], peer: Path, way: str, folder: Path,
             notes: list[str]) -> Iterator[tuple[str, Path | None]]:
    """One of onnx2tf's ways to write files, with the samples in its layout."""
    (info,) = converted.inputs
    work = folder / way
    work.mkdir()
    model, data = work / "model.onnx", work / "samples.npy"
    shutil.copyfile(network.path, model)
    np.save(data, np.concatenate([info.to_result(sample[info.name]) for sample in given]))
    command = [str(peer.parent / "onnx2tf"), "-i", str(model), "-o", str(work / "out"), "-n", "-odrqt", "-oiqt", "-tb", way, "-ois",
               f"{info.name}:{','.join(map(str, network.shapes[info.name]))}", "-cind", info.name, str(data), str([0.0]), str([1.0])]
    env = {**os.environ, "PATH": f"{peer.parent}{os.pathsep}{os.environ.get('PATH', '')}", "PYTHONPATH": ""}
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, cwd=work, env=env)
    files = {mode: work / "out" / f"model_{ENDINGS[mode]}.tflite" for mode in MODES}
    yield from ((mode, file if file.exists() else None) for mode, file in files.items())
    if not all(file.exists() for file in files.values()):
        last = (outcome.stderr.strip() or outcome.stdout.strip()).splitlines()[-1:] or ["it says nothing"]
        notes.append(f"onnx2tf, {way}: not all files ({last[0][:160]})")
