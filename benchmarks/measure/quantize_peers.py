"""The same trained networks quantized by us, by TensorFlow's converter and by onnx2tf, calibrated with the same samples."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

import nchw2nhwc
from measure.samples import Floats, pictures, sounds, text_images
from nchw2nhwc.check import source_tensors
from nchw2nhwc.errors import ConversionError
from nchw2nhwc.options.quantize import QuantizeOptions

MODES = ("float16", "dynamic", "int8", "int8-full", "int16x8")
ENDINGS = {"float16": "float16", "dynamic": "dynamic_range_quant", "int8": "integer_quant", "int8-full": "full_integer_quant",
           "int16x8": "integer_quant_with_int16_act"}
CALIBRATED, TESTED = 24, 16
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Trained:
    """A trained network: where it is, the shapes it is converted with, and samples by input name, in the source's axis order."""

    name: str
    path: Path
    shapes: Mapping[str, Sequence[int]]
    samples: list[dict[str, Floats]]


@dataclass
class PeersRow:
    """SQNR in dB of the worst output by mode; None where no file was made or it does not run, with the reason in `notes`."""

    name: str
    ours: dict[str, float | None] = field(default_factory=dict)
    tensorflow: dict[str, float | None] = field(default_factory=dict)
    onnx2tf: dict[str, float | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def trained(wheels: Path | None, omz: Path | None, seed: int) -> Iterator[Trained]:
    """The networks that are there, with samples drawn from `seed`."""
    count = CALIBRATED + TESTED
    if wheels is not None:
        models = wheels / "rapidocr-onnxruntime" / "rapidocr_onnxruntime" / "models"
        for name, file, height, width, lines in (("det", "ch_PP-OCRv4_det_infer.onnx", 320, 320, 6),
                                                 ("rec", "ch_PP-OCRv4_rec_infer.onnx", 48, 320, 1),
                                                 ("cls", "ch_ppocr_mobile_v2.0_cls_infer.onnx", 48, 192, 1)):
            images = np.moveaxis(text_images(count, height, width, lines=lines, seed=seed), -1, 1).astype(np.float32) / 127.5 - 1
            yield Trained(f"rapidocr {name}", models / file, {"x": (1, 3, height, width)}, [{"x": image[None]} for image in images])
        waves = sounds(count, 43844, seed=seed)
        yield Trained("basic-pitch", wheels / "basic-pitch" / "basic_pitch" / "saved_models" / "icassp_2022" / "nmp.onnx",
                      {"serving_default_input_2:0": (1, 43844, 1)}, [{"serving_default_input_2:0": wave[None, :, None]} for wave in waves])
    if omz is not None:
        large = np.moveaxis(pictures(count, 256, 384, seed=seed), -1, 1).astype(np.float32)
        small = large.reshape(count, 3, 64, 4, 96, 4).mean((3, 5))
        wide = small.repeat(4, 2).repeat(4, 3)
        yield Trained("super-resolution 1032", omz / "single-image-super-resolution-1032.FP32.xml",
                      {"0": (1, 3, 64, 96), "1": (1, 3, 256, 384)}, [{"0": s[None], "1": w[None]} for s, w in zip(small, wide)])
        text = text_images(count, 96, 192, lines=3, seed=seed).mean(-1, dtype=np.float32)
        yield Trained("text super-resolution", omz / "text-image-super-resolution-0001.FP32.xml", {"0": (1, 1, 96, 192)},
                      [{"0": page[None, None]} for page in text])


def compare(network: Trained, peer: Path | None, folder: Path) -> PeersRow:
    """All three on one network."""
    row = PeersRow(network.name)
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
            row.ours[mode] = _declared(file, converted, tested, truth)
        except ConversionError as error:
            row.ours[mode], _ = None, row.notes.append(f"ours, {mode}: {error}")
    for mode, file in _tensorflow(converted, given, folder, row.notes):
        row.tensorflow[mode] = _declared(file, converted, tested, truth) if file else None
    if peer is not None and network.path.suffix == ".onnx":
        for mode, file in _onnx2tf(network, converted, given, peer, folder, row.notes):
            ratio = _by_shape(file, tested, truth, row.notes, mode) if file else None
            known = row.onnx2tf.get(mode)
            row.onnx2tf[mode] = ratio if known is None else known if ratio is None else max(known, ratio)
    return row


def judge(rows: Sequence[PeersRow]) -> tuple[str, list[str]]:
    """How much better ours are on average, in words, and where they are worse: by more than 0.1 dB, which other rounding makes."""
    lines, failures = [], []
    for name in ("tensorflow", "onnx2tf"):
        gains: list[float] = []
        for row in rows:
            for mode, theirs in getattr(row, name).items():
                mine = row.ours.get(mode)
                if theirs is None:
                    continue
                gains.append((-math.inf if mine is None else mine) - theirs)
                if gains[-1] < -0.1:
                    failures.append(f"{row.name}, {mode}: {gains[-1]:+.1f} dB against {name}")
        lines.append(f"against {name}: {sum(gains) / len(gains):+.2f} dB on the average of {len(gains)} files" if gains else
                     f"against {name}: no file to compare with")
        failures += [f"not better than {name} on the average"] if gains and sum(gains) <= 0 else []
    return "\n".join(lines), failures


# ---- running a file ----------------------------------------------------------------------------------------------------
def _declared(file: Path, converted: nchw2nhwc.Converted, tested: Sequence[Mapping[str, Floats]],
              truth: Sequence[Sequence[Floats]]) -> float:
    """SQNR of a file whose inputs and outputs have our names and layouts."""
    interpreter = Interpreter(model_path=str(file))
    signature = interpreter.get_signature_runner()
    into, out = signature.get_input_details(), signature.get_output_details()
    results = []
    for sample in tested:
        made = signature(**{(name := _name(info.name, into)): _stored(info.to_result(sample[info.name]), into[name])
                            for info in converted.inputs})
        results.append([info.to_source(_real(made[(name := _name(info.name, out))], out[name])) for info in converted.outputs])
    return _sqnr(truth, results)


def _name(name: str, names: Collection[str]) -> str:
    """A name as it is spelled there; the only one, whatever it is."""
    spelled = name if name in names else _saved(name)
    return next(iter(names)) if len(names) == 1 else spelled


def _saved(name: str) -> str:
    """A name as a SavedModel's signature has it: letters, digits and `_`."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def _by_shape(file: Path, tested: Sequence[Mapping[str, Floats]], truth: Sequence[Sequence[Floats]], notes: list[str],
              mode: str) -> float | None:
    """SQNR of a file of onnx2tf, which says nothing about layouts: arrays are brought into its shapes where these leave one order of axes,
    and the outputs of one shape are taken in the order in which they fit best, which is in its favour."""
    try:
        interpreter = Interpreter(model_path=str(file))
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        notes.append(f"onnx2tf, {mode}: {' '.join(str(error).split())[:160]}")
        return None
    into, out = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for sample in tested:
        for detail in into:
            array = next(iter(sample.values()))
            fitting = array if array.shape == tuple(detail["shape"]) else np.moveaxis(array, 1, -1)
            interpreter.set_tensor(detail["index"], _stored(fitting.reshape(detail["shape"]), detail))
        interpreter.invoke()
        results.append([_real(interpreter.get_tensor(d["index"]), d) for d in out])
    pairs = []
    for k in range(len(truth[0])):
        wanted = [t[k] for t in truth]
        fits = [[_same_axes(r[j], wanted[0].shape) for r in results] for j in range(len(out)) if results[0][j].size == wanted[0].size]
        pairs.append(max((_sqnr([[w] for w in wanted], [[f] for f in each]) for each in fits), default=math.nan))
    return min(pairs)


def _same_axes(array: Floats, shape: Sequence[int]) -> Floats:
    """An array in the source's order of axes."""
    if array.shape == tuple(shape) or array.ndim != len(shape) or array.ndim < 3:
        return array.reshape(shape)
    return np.moveaxis(array, -1, 1).reshape(shape)


def _stored(array: Floats, detail: Mapping[str, object]) -> np.ndarray:
    scale, zero = detail["quantization"]  # type: ignore[misc]
    dtype = np.dtype(detail["dtype"])  # type: ignore[arg-type]
    if not scale or dtype == array.dtype:
        return array
    return np.clip(np.round(array / scale) + zero, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)


def _real(array: np.ndarray, detail: Mapping[str, object]) -> Floats:
    scale, zero = detail["quantization"]  # type: ignore[misc]
    return (array.astype(np.float32) - zero) * scale if scale and array.dtype.kind in "iu" else array


def _sqnr(truth: Sequence[Sequence[Floats]], results: Sequence[Sequence[Floats]]) -> float:
    """dB of the worst output over all samples."""
    worst = math.inf
    for k in range(len(truth[0])):
        signal = sum(float(np.sum(np.square(t[k], dtype=np.float64))) for t in truth)
        noise = sum(float(np.sum(np.square(t[k].astype(np.float64) - r[k]))) for t, r in zip(truth, results))
        worst = min(worst, 10 * math.log10(signal / noise) if noise > 0 else 200.0)
    return worst


# ---- making files ------------------------------------------------------------------------------------------------------
def _tensorflow(converted: nchw2nhwc.Converted, given: Sequence[Mapping[str, Floats]], folder: Path,
                notes: list[str]) -> Iterator[tuple[str, Path | None]]:
    """TensorFlow's converter on our SavedModel, in a process of its own."""
    converted.save_keras(folder, ["saved_model"])
    data = folder / "samples.npz"
    np.savez(data, **{_saved(info.name): np.stack([info.to_result(sample[info.name]) for sample in given]) for info in converted.inputs})
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


def _onnx2tf(network: Trained, converted: nchw2nhwc.Converted, given: Sequence[Mapping[str, Floats]], peer: Path, folder: Path,
             notes: list[str]) -> Iterator[tuple[str, Path | None]]:
    """Both ways that onnx2tf has to write files, with the samples in its layout."""
    (info,) = converted.inputs
    shape, found = network.shapes[info.name], set()
    for backend in ("flatbuffer_direct", "tf_converter"):
        work = folder / backend
        work.mkdir()
        model, data = work / "model.onnx", work / "samples.npy"
        shutil.copyfile(network.path, model)
        np.save(data, np.concatenate([info.to_result(sample[info.name]) for sample in given]))
        command = [str(peer.parent / "onnx2tf"), "-i", str(model), "-o", str(work / "out"), "-n", "-odrqt", "-oiqt", "-tb", backend, "-ois",
                   f"{info.name}:{','.join(map(str, shape))}", "-cind", info.name, str(data), str([0.0]), str([1.0])]
        env = {**os.environ, "PATH": f"{peer.parent}{os.pathsep}{os.environ.get('PATH', '')}", "PYTHONPATH": ""}
        outcome = subprocess.run(command, capture_output=True, text=True, check=False, cwd=work, env=env)
        files = {mode: work / "out" / f"model_{ENDINGS[mode]}.tflite" for mode in MODES}
        yield from ((mode, file) for mode, file in files.items() if file.exists())
        found |= {mode for mode, file in files.items() if file.exists()}
        if not all(file.exists() for file in files.values()):
            last = (outcome.stderr.strip() or outcome.stdout.strip()).splitlines()[-1:] or ["it says nothing"]
            notes.append(f"onnx2tf, {backend}: not all files ({last[0][:160]})")
    yield from ((mode, None) for mode in MODES if mode not in found)
