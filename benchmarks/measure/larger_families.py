"""Networks of transformers and diffusers beyond those of text and images, small and with drawn weights; decoders with their caches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from measure.families import Made, Network, Results

BERT = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100}
VIT = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128, "image_size": 64, "patch_size": 16}
WAVE = {**BERT, "conv_dim": (32,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
CODEC = {"num_filters": 8, "hidden_size": 32, "codebook_dim": 32, "upsampling_ratios": [4, 2], "num_lstm_layers": 1}
HEADS = {"neck_hidden_sizes": [16, 16, 32, 32], "fusion_hidden_size": 16}
DETR = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "encoder_attention_heads": 4,
        "decoder_attention_heads": 4, "num_queries": 6, "backbone": None, "use_timm_backbone": False, "use_pretrained_backbone": False}
RESNET = {"embedding_size": 16, "hidden_sizes": [16, 16, 32, 32], "depths": [1, 1, 1, 1], "layer_type": "basic"}
LEVELS = ["stage1", "stage2", "stage3", "stage4"]
WINDOWS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 64, "patch_size": 16, "window_size": 2}
FRAMES = {**VIT, "num_hidden_layers": 2, "image_size": 32, "patch_size": 8, "num_frames": 4}
DECODER = {**BERT, "num_key_value_heads": 2, "head_dim": 16, "pad_token_id": 0}


def _model(kind: str, parts: Mapping[str, object] | None = None, **config: object) -> nn.Module:
    """A model of transformers; `parts` are configurations inside of its own."""
    import transformers

    cls = getattr(transformers, kind)
    return cls(cls.config_class(**config, **(parts or {})))


def _config(kind: str, **config: object) -> object:
    import transformers

    return getattr(transformers, f"{kind}Config")(**config)


def _of(model: nn.Module, operands: Mapping[str, Tensor], results: Sequence[str], **fixed: object) -> Made:
    """The named results of a model for named operands."""
    names = tuple(operands)

    def run(net: Network, *given: Tensor) -> Results:
        found = net.model(**dict(zip(names, given)), **fixed)
        return tuple(found[name] for name in results)
    return Network(run, model=model), tuple(operands.values())


def _image(model: nn.Module, results: Sequence[str], *shape: int) -> Made:
    return _of(model, {"pixel_values": torch.randn(*(shape or (1, 3, 64, 64)))}, results)


def _wave(model: nn.Module, result: str) -> Made:
    return _of(model, {"input_values": torch.randn(1, 8000)}, [result])


def _tokens(model: nn.Module, count: int) -> Made:
    return _of(model, {"input_ids": torch.randint(0, 90, (1, count))}, ["logits"], use_cache=False)


def _depth_anything() -> Made:
    backbone = _config("Dinov2", **{**VIT, "image_size": 56, "patch_size": 14}, out_features=LEVELS, reshape_hidden_states=False)
    return _image(_model("DepthAnythingForDepthEstimation", {"backbone_config": backbone}, reassemble_hidden_size=64, patch_size=14,
                         head_hidden_size=8, **HEADS), ["predicted_depth"], 1, 3, 56, 84)


def _matting() -> Made:
    backbone = _config("VitDet", **WINDOWS, pretrain_image_size=64, num_channels=4, window_block_indices=[0],
                       use_relative_position_embeddings=True, out_features=["stage2"])
    return _image(_model("VitMatteForImageMatting", {"backbone_config": backbone}, hidden_size=32, fusion_hidden_sizes=[32, 16, 8, 8],
                         convstream_hidden_sizes=[8, 16, 16]), ["alphas"], 1, 4, 64, 64)


def _detr(kind: str, levels: Sequence[str], **more: object) -> Made:
    backbone = _config("ResNet", **RESNET, out_features=list(levels))
    return _image(_model(f"{kind}ForObjectDetection", {"backbone_config": backbone}, **DETR, **more), ["logits", "pred_boxes"],
                  1, 3, 96, 64)


# ---- diffusion -------------------------------------------------------------------------------------------------------
def _denoiser() -> Made:
    from diffusers import UNet2DConditionModel

    model = UNet2DConditionModel(
        sample_size=16, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=32, norm_num_groups=8)
    return Network(lambda net, *given: net.model(*given, return_dict=False)[0], model=model), (
        torch.randn(1, 4, 16, 16), torch.tensor([5]), torch.randn(1, 7, 32))


def _image_decoder() -> Made:
    from diffusers import AutoencoderKL

    model = AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
                          block_out_channels=(16, 32), norm_num_groups=8)
    return Network(lambda net, latent: net.model.decode(latent, return_dict=False)[0], model=model), (torch.randn(1, 4, 16, 16),)


# ---- decoders with caches --------------------------------------------------------------------------------------------
def _cached(kind: str, heads: int = 2, **config: object) -> Made:
    """New tokens beside the keys and values of those before: `past_key_values.*` in, `present.*` out, all lengths open, as Optimum names
    them."""
    import transformers

    model = _model(kind, **(config or DECODER))
    layers = range(model.config.num_hidden_layers)

    def run(net: Network, tokens: Tensor, mask: Tensor, places: Tensor, *past: Tensor) -> Results:
        cache = transformers.DynamicCache([(past[2 * k], past[2 * k + 1]) for k in layers])
        found = net.model(input_ids=tokens, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True)
        return found.logits, *(each for layer in found.past_key_values.layers for each in (layer.keys, layer.values))
    network = Network(run, model=model)
    past = [f"{k}.{part}" for k in layers for part in ("key", "value")]
    network.names = ["input_ids", "attention_mask", "position_ids", *(f"past_key_values.{name}" for name in past)]
    network.results = ["logits", *(f"present.{name}" for name in past)]
    network.open_axes = {**{name: {0: "batch", 1: "total" if "mask" in name else "new"} for name in network.names[:3]},
                         **{name: {0: "batch", 2: "past"} for name in network.names[3:]}}
    return network, (torch.randint(0, 90, (2, 3)), torch.ones(2, 11, dtype=torch.long), torch.arange(8, 11).repeat(2, 1),
                     *(torch.randn(2, heads, 8, 16) for _ in past))


LARGER: dict[str, dict[str, Callable[[], Made]]] = {
    "audio": {
        "hf_Hubert": lambda: _wave(_model("HubertModel", **WAVE), "last_hidden_state"),
        "hf_WavLM": lambda: _wave(_model("WavLMModel", **WAVE), "last_hidden_state"),
        "hf_Conformer": lambda: _wave(_model("Wav2Vec2ConformerModel", **WAVE), "last_hidden_state"),
        "hf_HifiGan": lambda: (_model("SpeechT5HifiGan", model_in_dim=20, upsample_initial_channel=32), (torch.randn(1, 30, 20),)),
        "hf_EncodecDecoder": lambda: (_model("EncodecModel", **CODEC).decoder, (torch.randn(1, 32, 40),))},
    "scenes": {
        "hf_DepthAnything": _depth_anything, "hf_VitMatte": _matting, "hf_Detr": lambda: _detr("Detr", LEVELS[3:]),
        "hf_DeformableDetr": lambda: _detr("DeformableDetr", LEVELS[1:]),
        "hf_Dpt": lambda: _image(_model("DPTForDepthEstimation", **VIT, **HEADS, backbone_out_indices=[0, 1, 2, 3]), ["predicted_depth"]),
        "hf_VideoMae": lambda: _image(_model("VideoMAEForVideoClassification", **FRAMES), ["logits"], 1, 4, 3, 32, 32),
        "hf_Timesformer": lambda: _image(_model("TimesformerModel", **FRAMES), ["last_hidden_state"], 1, 4, 3, 32, 32)},
    "scans": {
        "hf_Mamba": lambda: _tokens(_model("MambaForCausalLM", hidden_size=32, num_hidden_layers=2, state_size=8, vocab_size=100), 10),
        "hf_Rwkv": lambda: _tokens(_model("RwkvForCausalLM", hidden_size=32, num_hidden_layers=2, vocab_size=100, context_length=32), 6)},
    "diffusion": {"diffusers_UNet": _denoiser, "diffusers_VaeDecoder": _image_decoder},
    "caches": {
        "cache_Llama": lambda: _cached("LlamaForCausalLM"), "cache_Qwen3": lambda: _cached("Qwen3ForCausalLM"),
        "cache_Phi": lambda: _cached("PhiForCausalLM"),
        "cache_GPT2": lambda: _cached("GPT2LMHeadModel", 4, n_embd=64, n_layer=2, n_head=4, vocab_size=100)},
}
"""Networks by group and name."""
