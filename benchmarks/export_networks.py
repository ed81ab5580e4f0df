"""Exports networks of PyTorch libraries, with drawn weights: python export_networks.py DIR [--format dynamo|half|ir] [--only NAME...]
[--group GROUP...]

Runs in an environment of its own: `pip install torch torchvision timm transformers diffusers ultralytics segmentation-models-pytorch onnx
onnxscript`, and `openvino` for IR, which its PyTorch frontend makes without ONNX. `onnx` is the TorchScript exporter, `dynamo` the newer
one (opset 20), `half` that one with the network in float16. Decoders with caches have open lengths, detectors open heights and widths. The
converter was not written with these networks, unlike with the zoo's. A network that its library or the exporter cannot make is reported and
left out. Existing files are kept. Exit status: 0 when there is a file for every network, else 1.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from measure import architectures
from measure.detectors import DETECTORS
from measure.families import FAMILIES
from measure.larger_families import LARGER
from measure.other_libraries import OTHER
from torch import Tensor, nn

TIMM = (
    "bat_resnext26ts", "beit_base_patch16_224", "caformer_s18", "cait_xxs24_224", "coatnet_pico_rw_224", "convit_tiny",
    "convnextv2_atto", "crossvit_tiny_240", "cspresnet50", "dla34", "edgenext_xx_small", "efficientformer_l1", "efficientformerv2_s0",
    "efficientvit_b0", "efficientvit_m0", "ese_vovnet19b_dw", "fastvit_sa12", "focalnet_tiny_srf", "gcresnet33ts", "gcvit_xxtiny",
    "ghostnetv2_100", "gmlp_ti16_224", "hardcorenas_a", "hgnetv2_b0", "hiera_tiny_224", "inception_next_atto", "inception_resnet_v2",
    "jx_nest_tiny", "lambda_resnet26t", "lcnet_050", "levit_conv_128s", "mambaout_femto", "mixer_s16_224", "mixnet_s",
    "mobilenetv4_conv_small", "mobilenetv4_hybrid_medium", "mobileone_s0", "mvitv2_tiny", "nextvit_small", "nf_regnet_b0", "pit_ti_224",
    "pvt_v2_b0", "rdnet_tiny", "regnety_002", "repghostnet_050", "repvit_m0_9", "resmlp_12_224", "resnest14d", "rexnet_100",
    "sebotnet33ts_256", "selecsls42b", "sequencer2d_s", "shvit_s1", "skresnet18", "starnet_s1", "swinv2_cr_tiny_224",
    "swinv2_tiny_window8_256", "tf_efficientnetv2_b0", "tiny_vit_5m_224", "tnt_s_legacy_patch16_224", "tresnet_m", "twins_svt_small",
    "visformer_tiny", "vit_base_patch16_clip_224", "volo_d1_224",
)
VISION = {"fcn_resnet50": (1, 3, 128, 128), "swin_v2_t": (1, 3, 256, 256), "swin3d_t": (1, 3, 8, 64, 64), "s3d": (1, 3, 16, 224, 224)}
SEGMENTATION = ("Unet", "UnetPlusPlus", "FPN", "DeepLabV3Plus", "Linknet", "PAN", "MAnet", "Segformer")
YOLO = ("yolov3-tiny", "yolov5n", "yolov6n", "yolov8n", "yolov8n-cls", "yolov8n-obb", "yolov8n-pose", "yolov8n-seg", "yolov9t", "yolov10n",
        "yolo11n", "yolo12n", "rtdetr-l")

BERT = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100}
VIT = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128, "image_size": 64, "patch_size": 16}
SEQ2SEQ = {"d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
           "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "vocab_size": 200}
T5 = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4, "vocab_size": 100}
TEXT = {  # of token numbers and a mask
    "DistilBert": {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128, "vocab_size": 100}, "Bert": BERT, "Roberta": BERT,
    "Albert": {**BERT, "embedding_size": 32}, "Electra": {**BERT, "embedding_size": 32}, "MPNet": BERT, "SqueezeBert": {
        "vocab_size": 100, "num_hidden_layers": 2}, "MobileBert": {"vocab_size": 100, "num_hidden_layers": 2},
    "DebertaV2": {**BERT, "relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"]}}
DECODERS = {"Llama": {**BERT, "num_key_value_heads": 2}, "Qwen2": {**BERT, "num_key_value_heads": 2},
            "Gemma2": {**BERT, "num_key_value_heads": 2, "head_dim": 16},
            "GPT2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100}}
IMAGES = {"CLIPVision": (VIT, 64), "SiglipVision": (VIT, 64), "Dinov2": ({**VIT, "image_size": 56, "patch_size": 14}, 84),
          "Levit": ({}, 224), "Yolos": ({**VIT, "image_size": [64, 64], "num_detection_tokens": 5}, 64),
          "Swin2SR": ({"image_size": 32, "embed_dim": 24, "depths": [2, 2], "num_heads": [2, 2], "window_size": 8}, 32)}


class Call(nn.Module):
    """A model of which one result is wanted."""

    def __init__(self, model: nn.Module, names: Sequence[str], result: str) -> None:
        super().__init__()
        self.model, self.names, self.result = model, names, result

    def forward(self, *operands: Tensor) -> Tensor:
        """The result."""
        found = self.model(**dict(zip(self.names, operands)))
        return found[self.result] if self.result else found


Made = tuple[nn.Module, tuple[Tensor, ...]]
Maker = Callable[[], Made]


def _timm(name: str) -> Made:
    import timm

    model = timm.create_model(name, pretrained=False)
    return model, (torch.randn(1, *model.default_cfg["input_size"]),)


def _vision(name: str) -> Made:
    import torchvision

    more = {"weights_backbone": None} if name == "fcn_resnet50" else {}
    model = torchvision.models.get_model(name, weights=None, **more)
    return (Call(model, ["x"], "out") if more else model), (torch.randn(*VISION[name]),)


def _flow() -> Made:
    from torchvision.models.optical_flow import raft_small

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = raft_small()

        def forward(self, first: Tensor, second: Tensor) -> Tensor:
            flow: Tensor = self.model(first, second, num_flow_updates=2)[-1]
            return flow
    return Last(), (torch.randn(1, 3, 128, 128), torch.randn(1, 3, 128, 128))


def _segmentation(name: str) -> Made:
    import segmentation_models_pytorch as smp

    return getattr(smp, name)("resnet18", encoder_weights=None, classes=3), (torch.randn(1, 3, 128, 128),)


def _yolo(name: str) -> Made:
    from ultralytics import RTDETR, YOLO

    model = (RTDETR if name.startswith("rtdetr") else YOLO)(f"{name}.yaml").model.fuse().eval()
    for module in model.modules():
        if hasattr(module, "export"):
            module.export, module.format, module.dynamic = True, "onnx", False
    image = torch.randn(1, 3, 320, 320)
    model(image)
    return model, (image,)


def _transformer(kind: str, ending: str, config: dict[str, object], names: Sequence[str], result: str, *operands: Tensor) -> Made:
    import transformers

    model = getattr(transformers, f"{kind}{ending}")(getattr(transformers, f"{kind}Config")(**config))
    return Call(model, names, result), operands


def _text(kind: str) -> Made:
    tokens = torch.randint(0, 90, (1, 16))
    return _transformer(kind, "Model", TEXT[kind], ["input_ids", "attention_mask"], "last_hidden_state", tokens, torch.ones_like(tokens))


def _decoder(kind: str) -> Made:
    ending = "LMHeadModel" if kind == "GPT2" else "ForCausalLM"
    return _transformer(kind, ending, {**DECODERS[kind], "use_cache": False}, ["input_ids"], "logits", torch.randint(0, 90, (1, 16)))


def _image(kind: str) -> Made:
    ending, result = {"Yolos": ("ForObjectDetection", "pred_boxes"), "Swin2SR": ("ForImageSuperResolution", "reconstruction")}.get(
        kind, ("Model", "last_hidden_state"))
    config, size = IMAGES[kind]
    return _transformer(kind, ending, config, ["pixel_values"], result, torch.randn(1, 3, size, size))


def _pairs(kind: str) -> Made:
    tokens = torch.randint(0, 90, (1, 16))
    config, ending, result = (T5, "ForConditionalGeneration", "logits") if kind == "T5" else (SEQ2SEQ, "Model", "last_hidden_state")
    return _transformer(kind, ending, {**config, "use_cache": False}, ["input_ids", "decoder_input_ids"], result, tokens, tokens[:, :4])


def _audio() -> Made:
    config = {**BERT, "conv_dim": (32,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    return _transformer("Wav2Vec2", "Model", config, ["input_values"], "last_hidden_state", torch.randn(1, 8000))


def _of(make: Callable[[str], Made], names: Sequence[str], prefix: str = "") -> dict[str, Maker]:
    return {prefix + name: (lambda name=name: make(name)) for name in names}


GROUPS: dict[str, dict[str, Maker]] = {
    "timm": _of(_timm, TIMM), "torchvision": {**_of(_vision, tuple(VISION)), "raft_small": _flow},
    "segmentation": _of(_segmentation, SEGMENTATION, "smp_"), "yolo": _of(_yolo, YOLO), "text": _of(_text, tuple(TEXT), "hf_"),
    "decoders": _of(_decoder, tuple(DECODERS), "hf_"), "images": _of(_image, tuple(IMAGES), "hf_"),
    "sequences": {**_of(_pairs, ("T5", "Bart"), "hf_"), "hf_Wav2Vec2": _audio}, **LARGER,
    "families": {make.__name__: make for make in FAMILIES}, "detectors": DETECTORS, **OTHER,
    "architectures": _of(architectures.architecture, architectures.NAMES)}
NEWER = frozenset({"decoders", "architectures"})
"""Groups of which the TorchScript exporter does not take all."""


Write = Callable[[nn.Module, tuple[Tensor, ...], Path], None]


def _onnx(model: nn.Module, operands: tuple[Tensor, ...], path: Path) -> None:
    torch.onnx.export(model, operands, path, dynamo=False, opset_version=18, **_interface(model))


def _dynamo(model: nn.Module, operands: tuple[Tensor, ...], path: Path, opset: int = 20) -> None:
    interface = _interface(model)
    axes = interface.pop("dynamic_axes", None)
    if axes is not None:
        shapes = [dict.fromkeys(axes[name], torch.export.Dim.DYNAMIC) for name in interface["input_names"]]
        interface["dynamic_shapes"] = (tuple(shapes),)
    torch.onnx.export(model, operands, path, dynamo=True, opset_version=opset, external_data=False, **interface)


def _half(model: nn.Module, operands: tuple[Tensor, ...], path: Path) -> None:
    _dynamo(model.half(), tuple(o.half() if o.is_floating_point() else o for o in operands), path)


def _interface(model: nn.Module) -> dict[str, object]:
    """Names and open axes of a network that has its own."""
    if not hasattr(model, "open_axes"):
        return {}
    return {"input_names": model.names, "output_names": model.results, "dynamic_axes": model.open_axes}


def _ir(model: nn.Module, operands: tuple[Tensor, ...], path: Path) -> None:
    import openvino

    found = openvino.convert_model(model, example_input=operands, input=[tuple(operand.shape) for operand in operands])
    openvino.save_model(found, path, compress_to_fp16=False)


FORMATS: dict[str, Write] = {"onnx": _onnx, "dynamo": _dynamo, "half": _half, "ir": _ir}


def export(make: Maker, path: Path, write: Write) -> str:
    """Write one network's file; the reason if that fails. What libraries raise is theirs, so all of it is a reason."""
    part = path.with_name(f"part-{path.name}")
    try:
        torch.manual_seed(0)
        model, operands = make()
        with torch.no_grad():
            write(model.eval(), operands, part)
    except Exception as error:  # noqa: BLE001
        for file in path.parent.glob(f"part-{path.stem}.*"):
            file.unlink()
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    for file in sorted(path.parent.glob(f"part-{path.stem}.*")):  # an IR's .bin before its .xml
        file.replace(path.with_suffix(file.suffix))
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    parser = argparse.ArgumentParser("export_networks.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the files go")
    parser.add_argument("--format", default="onnx", choices=FORMATS, help="what to write (default: onnx)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these networks")
    parser.add_argument("--group", nargs="+", default=list(GROUPS), choices=GROUPS, metavar="GROUP",
                        help=f"only these of {', '.join(GROUPS)}")
    given = parser.parse_args(argv)
    warnings.filterwarnings("ignore")
    given.folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for group in given.group:
        for name, make in GROUPS[group].items():
            path = given.folder / f"{name}.{'xml' if given.format == 'ir' else 'onnx'}"
            if (given.only and name not in given.only) or path.exists():
                continue
            newer = given.format == "onnx" and group in NEWER
            reason = export(make, path, _dynamo if newer else FORMATS[given.format])
            failed += bool(reason)
            size = sum(file.stat().st_size for file in given.folder.glob(f"{name}.*"))
            print(f"{name:28} {reason or f'{size / 1e6:.1f} MB'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
