"""Architectures of transformers, each by its own configuration made small: one model type after the other, chosen only in that the newer
exporter writes a sound file of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from measure.families import Made, Network, Results

NAMES = (
    "aimv2_vision_model", "albert", "apertus", "apertus1p5_text", "arcee", "audioflamingo3", "aya_vision", "bailing_hybrid", "bart",
    "beam", "beit", "bert", "bert-generation", "big_bird", "bigbird_pegasus", "biogpt", "bit", "bitnet", "blenderbot",
    "blenderbot-small", "bloom", "camembert", "canine", "chinese_clip_vision_model", "clip_text_model", "clip_vision_model", "cohere",
    "cohere2", "cohere2_vision", "conditional_detr", "convbert", "cosmos3_edge", "cosmos3_edge_text", "cosmos3_omni", "cpmant", "ctrl",
    "cvt", "cwm", "dab-detr", "data2vec-audio", "data2vec-text", "data2vec-vision", "deberta", "deberta-v2", "deepseek_vl",
    "deepseek_vl_hybrid", "deit", "detr", "diffllama", "dinov2", "dinov2_with_registers", "dinov3_convnext", "dinov3_vit", "distilbert",
    "doge", "dory", "dpr", "dpt", "electra", "ernie", "ernie4_5", "eurobert", "evolla", "exaone", "exaone4", "exaone4_5", "flaubert",
    "flava", "flint", "florence2", "fnet", "focalnet", "fun_asr_nano", "fuyu", "gemma", "gemma2", "gemma3", "gemma3_text", "git", "glm",
    "glm4", "glm5_next_text", "glmasr", "glmasr_encoder", "glpn", "got_ocr2", "gpt-sw3", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox",
    "gpt_neox_japanese", "gradium_phonon_tts", "granite", "granite_docling", "granite_docling_text", "granite_speech",
    "granite_speech_plus", "granite_swa", "gte", "helium", "higgs_audio_v2", "hubert", "hyperclovax", "hyperclovax_vision_v2", "ibert",
    "idefics2", "idefics3", "ijepa", "imagegpt", "internlm3", "internvl", "internvl_vision", "iquestcoder", "jais2", "jetmoe",
    "jina_embeddings_v3", "kosmos-2.5", "layoutlm", "levit", "lfm2", "lfm2_vl", "lfm3", "lighton_ocr", "llama", "llava", "llava_next",
    "llava_next_video", "llava_onevision", "longt5", "m2m_100", "marian", "markuplm", "maskformer", "mbart", "megatron-bert",
    "ministral3", "mistral", "mistral3", "mlcd", "mlcd_vision_model", "mllama", "mobilebert", "mobilenet_v1", "mobilenet_v2",
    "mobilevit", "mobilevitv2", "modernbert", "modernbert-decoder", "modernvbert", "molmo2", "molmo2_text", "moshi",
    "moss_transcribe_diarize", "moss_transcribe_diarize_audio", "mpnet", "mpt", "mra", "mt5", "muse_glimmer", "muse_glimmer_text",
    "musicflamingo", "mvp", "nanochat", "nllb-moe", "nomic_bert", "nystromformer", "olmo", "olmo2", "olmo3", "olmo_hybrid", "omniasr",
    "openai-gpt", "opt", "ovis2", "paligemma", "pegasus", "pegasus_x", "persimmon", "phi", "phi3", "phi4_multimodal", "pixio",
    "pixtral", "plbart", "pocket_tts", "poolformer", "pp_ocrv5_server_rec", "pp_ocrv6_small_rec", "pp_ocrv6_tiny_rec", "pvt", "pvt_v2",
    "qianfan_ocr", "qianfan_ocr_vision", "qwen2", "qwen2_audio", "qwen2_audio_encoder", "qwen3", "qwen3_asr", "qwen3_vl",
    "qwen3_vl_text", "radio", "regnet", "rembert", "resnet", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "rwkv",
    "sam3_vision_model", "sam3_vit_model", "sam_hq_vision_model", "sam_vision_model", "seed_oss", "segformer", "sew", "sew-d",
    "siglip_vision_model", "smollm3", "smolvlm", "splinter", "squeezebert", "stablelm", "starcoder2", "swiftformer", "t5", "tapas",
    "textnet", "timm_wrapper", "tipsv2", "tipsv2_text_model", "tipsv2_vision_model")
"""Model types of transformers 5.24."""

_SMALL = {
    32: ("hidden_size", "d_model", "n_embd", "embed_dim", "dim", "hidden_dim", "embedding_size", "encoder_hidden_size"),
    2: ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers", "num_decoder_layers",
        "num_encoder_layers", "num_blocks", "num_key_value_heads", "num_experts_per_tok", "eos_token_id"),
    4: ("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads", "decoder_attention_heads", "num_experts",
        "num_local_experts", "n_routed_experts"),
    8: ("head_dim", "d_kv", "state_size", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"),
    16: ("projection_dim", "kv_lora_rank", "q_lora_rank", "num_mel_bins"),
    24: ("moe_intermediate_size",),
    48: ("intermediate_size", "ffn_dim", "encoder_ffn_dim", "decoder_ffn_dim", "d_ff", "n_inner"),
    64: ("max_position_embeddings", "n_positions", "n_ctx", "max_source_positions", "max_target_positions", "image_size"),
    100: ("vocab_size",), 0: ("pad_token_id",),
    1: ("n_group", "topk_group", "first_k_dense_replace", "bos_token_id", "decoder_start_token_id")}
_LAYERS = 2


def made_small(config: object, depth: int = 0) -> object:
    """A configuration with few layers of few channels, and so those inside of it."""
    for number, names in _SMALL.items():
        for name in names:
            if type(getattr(config, name, None)) is int:
                setattr(config, name, number)
    if isinstance(stages := getattr(config, "depths", None), (list, tuple)):
        config.depths = type(stages)([1] * len(stages))
    if isinstance(kinds := getattr(config, "layer_types", None), list):
        config.layer_types = kinds[:_LAYERS]
    for name in getattr(config, "sub_configs", None) or {}:
        if depth < 3 and getattr(config, name, None) is not None:
            made_small(getattr(config, name), depth + 1)
    return config


def _operands(model: nn.Module) -> Mapping[str, Tensor]:
    """The main operand of a model and what belongs to it."""
    config, kind = model.config, model.main_input_name
    given: dict[str, Tensor] = {}
    if kind == "pixel_values":
        size = getattr(config, "image_size", 64)
        size = size if isinstance(size, int) else 64
        given = {kind: torch.randn(1, getattr(config, "num_channels", 3), size, size)}
    elif kind == "input_values":
        given = {kind: torch.randn(1, 4000)}
    elif kind == "input_features":
        given = {kind: torch.randn(1, 16, 128)}
    else:
        given = {kind: torch.randint(3, 90, (1, 12)), "attention_mask": torch.ones(1, 12, dtype=torch.long)}
    if config.is_encoder_decoder and kind != "pixel_values":
        given["decoder_input_ids"] = torch.randint(3, 90, (1, 7))
    known = inspect.signature(model.forward).parameters
    return {name: operand for name, operand in given.items() if name in known}


def architecture(kind: str) -> Made:
    """A model type with drawn weights: its first three results."""
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    config = made_small(transformers.CONFIG_MAPPING[kind]())
    config._attn_implementation, config.use_cache, config.return_dict = "eager", False, True
    names = MODEL_MAPPING_NAMES[kind]
    model = getattr(transformers, names if isinstance(names, str) else names[0])(config)
    operands = _operands(model)

    def run(net: Network, *given: Tensor) -> Results:
        found = net.model(**dict(zip(operands, given)))
        return tuple(result for result in found.to_tuple() if isinstance(result, Tensor))[:3]
    return Network(run, model=model), tuple(operands.values())
