"""Networks of libraries for restoration, medicine, speech, local features, graphs and forecasts, small and with drawn weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

import torch
from torch import Tensor, nn

from measure.families import Made, Network, Results

Options = Mapping[str, object]

WINDOWS: Options = {"depths": (2, 2), "num_heads": (2, 2), "upscale": 2, "embed_dim": 24, "window_size": 8}
ENCODERS: Options = {"enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}
RESTORATION: dict[str, tuple[Options, int]] = {  # architectures of spandrel by name: arguments, and height of the image
    "Compact": ({"num_feat": 16, "num_conv": 4}, 32), "DAT": ({"embed_dim": 64, "depth": [2, 2], "num_heads": [2, 2]}, 32),
    "DCTLSA": ({"nf": 20, "num_modules": 6, "num_head": 5}, 32), "DITN": ({"dim": 16, "ITL_blocks": 2, "SAL_blocks": 2}, 32),
    "DRCT": ({**WINDOWS, "upsampler": "pixelshuffle", "gc": 8}, 32),
    "DRUNet": ({"in_nc": 3, "out_nc": 3, "nc": [8, 16, 16, 32], "nb": 1}, 32),
    "ESRGAN": ({"num_filters": 16, "num_blocks": 2, "plus": True}, 32),
    "FDAT": ({"embed_dim": 32, "num_groups": 2, "depth_per_group": 2, "num_heads": 2, "mid_dim": 16}, 32),
    "GRL": ({"embed_dim": 24, "upscale": 2, "depths": [2, 2], "num_heads_window": [2, 2], "num_heads_stripe": [2, 2],
             "upsampler": "pixelshuffledirect"}, 64),
    "HAT": ({**WINDOWS, "squeeze_factor": 8, "upsampler": "pixelshuffle"}, 32),
    "HVICIDNet": ({"channels": [8, 8, 16, 32], "heads": [1, 2, 4, 8]}, 32),
    "MixDehazeNet": ({}, 64), "MoESR": ({"dim": 16, "n_blocks": 2, "n_block": 1, "upsampler": "dysample"}, 32),
    "MoSR": ({"dim": 16, "n_block": 2, "upsampler": "dys"}, 32), "NAFNet": ({"width": 8, **ENCODERS}, 32),
    "OmniSR": ({"num_feat": 16, "res_num": 1}, 32), "PLKSR": ({"dim": 16, "n_blocks": 2}, 32),
    "RCAN": ({"n_resgroups": 2, "n_resblocks": 2, "n_feats": 16, "reduction": 4}, 32),
    "RetinexFormer": ({"n_feat": 8, "stage": 1, "num_blocks": [1, 1, 1]}, 32), "SAFMN": ({"dim": 16, "n_blocks": 2}, 32),
    "SAFMNBCIE": ({"dim": 16, "n_blocks": 2, "num_layers": 2}, 32), "SPAN": ({"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 16}, 32),
    "SeemoRe": ({"num_experts": 3, "num_layers": 2, "embedding_dim": 16}, 32), "SwiftSRGAN": ({"num_channels": 16, "num_blocks": 2}, 32),
    "Swin2SR": ({**WINDOWS, "upsampler": "pixelshuffledirect"}, 32), "SwinIR": ({**WINDOWS, "upsampler": "nearest+conv", "upscale": 4}, 32)}

LEVELS: Options = {"in_channels": 1, "out_channels": 2, "channels": (4, 8, 16), "strides": (2, 2)}
VOLUMES: Options = {"in_channels": 1, "img_size": (32, 32, 32), "hidden_size": 48, "mlp_dim": 64, "num_heads": 4}
MEDICINE: dict[str, Options] = {  # of MONAI, for volumes of 32 x 32 x 32
    "UNet": {"spatial_dims": 3, **LEVELS, "num_res_units": 1}, "AttentionUnet": {"spatial_dims": 3, **LEVELS},
    "BasicUNet": {"spatial_dims": 3, "features": (4, 4, 8, 8, 16, 4)}, "VNet": {"spatial_dims": 3}, "HighResNet": {"spatial_dims": 3},
    "DynUNet": {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "kernel_size": [3, 3, 3], "strides": [1, 2, 2],
                "upsample_kernel_size": [2, 2], "filters": [4, 8, 16], "res_block": True},
    "SegResNet": {"spatial_dims": 3, "init_filters": 8, "blocks_down": (1, 1, 1), "blocks_up": (1, 1)},
    "UNETR": {**VOLUMES, "out_channels": 2, "feature_size": 8},
    "ViT": {**VOLUMES, "patch_size": (8, 8, 8), "num_layers": 2, "classification": True},
    "DenseNet121": {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "init_features": 8, "growth_rate": 4,
                    "block_config": (2, 2, 2)}}

GRAPHS: dict[str, Options] = {  # layers of PyTorch Geometric, from 8 features to 8
    "GCNConv": {}, "ChebConv": {"K": 3}, "SAGEConv": {}, "GATConv": {"heads": 2}, "GATv2Conv": {"heads": 2}, "TAGConv": {}, "ARMAConv": {},
    "SGConv": {"K": 2}, "LEConv": {}, "FeaStConv": {"heads": 2}, "ResGatedGraphConv": {}, "EGConv": {"num_heads": 2},
    "SuperGATConv": {"heads": 2}, "FiLMConv": {}, "HypergraphConv": {}}

SPEECH: dict[str, tuple[tuple[object, ...], tuple[int, ...]]] = {  # of torchaudio: arguments and what goes in
    "Wav2Letter": ((10, "waveform", 1), (1, 1, 4000)), "DeepSpeech": ((16, 32, 10), (1, 1, 20, 16)),
    "ConvTasNet": ((2, 16, 16, 3, 16, 16, 4, 2), (1, 1, 800)), "Conformer": ((16, 4, 32, 2, 7), (1, 20, 16))}

COLOURS = ("rgb_to_hsv", "rgb_to_hls", "rgb_to_lab", "rgb_to_luv", "rgb_to_ycbcr", "hsv_to_rgb", "lab_to_rgb", "hls_to_rgb")
FILTERS: dict[str, Options] = {
    "gaussian_blur2d": {"kernel_size": (5, 5), "sigma": (1.5, 1.5)}, "median_blur": {"kernel_size": (3, 3)},
    "motion_blur": {"kernel_size": 5, "angle": 35.0, "direction": 0.5}, "unsharp_mask": {"kernel_size": (3, 3), "sigma": (1.0, 1.0)},
    "spatial_gradient": {}, "canny": {}, "laplacian": {"kernel_size": 3}}
FEATURES = ("HardNet", "SOSNet", "HyNet", "TFeat", "KeyNet", "OriNet")

FORECASTS: dict[str, Options] = {  # of neuralforecast
    "NBEATS": {}, "NHITS": {}, "TCN": {}, "LSTM": {}, "DilatedRNN": {}, "NLinear": {}, "TiDE": {}, "BiTCN": {}, "KAN": {},
    "VanillaTransformer": {"hidden_size": 16, "n_head": 4}, "TFT": {"hidden_size": 16}, "TSMixer": {"n_series": 3},
    "iTransformer": {"n_series": 3, "hidden_size": 16, "n_heads": 4}, "SOFTS": {"n_series": 3, "hidden_size": 16}}


def _restored(name: str) -> Made:
    options, size = RESTORATION[name]
    model = getattr(import_module(f"spandrel.architectures.{name}"), name)(**options)
    return model, (torch.rand(1, 3, size, size + 16),)


def _volume(name: str) -> Made:
    return getattr(import_module("monai.networks.nets"), name)(**MEDICINE[name]), (torch.randn(1, 1, 32, 32, 32),)


def _graph(name: str) -> Made:
    layer = getattr(import_module("torch_geometric.nn"), name)(8, 8, **GRAPHS[name])
    return layer, (torch.randn(10, 8), torch.randint(0, 10, (2, 30)))


def _speech(name: str) -> Made:
    arguments, shape = SPEECH[name]
    model = getattr(import_module("torchaudio.models"), name)(*arguments)
    if name != "Conformer":
        return model, (torch.randn(*shape),)
    return Network(lambda net, x: net.model(x, torch.tensor([shape[1]]))[0], model=model), (torch.randn(*shape),)


def _image(module: str, name: str, options: Options) -> Made:
    """A function of one image."""
    return Network(lambda net, x: getattr(import_module(module), name)(x, **options)), (torch.rand(1, 3, 32, 40),)


def _feature(name: str) -> Made:
    size = (1, 1, 32, 40) if name == "KeyNet" else (4, 1, 32, 32)
    return getattr(import_module("kornia.feature"), name)(pretrained=False), (torch.rand(*size),)


def _forecast(name: str) -> Made:
    options = FORECASTS[name]
    model: nn.Module = getattr(import_module("neuralforecast.models"), name)(h=6, input_size=24, max_steps=1, **options)
    count = options.get("n_series", 1)
    assert isinstance(count, int)

    def run(net: Network, series: Tensor) -> Results:
        found: Results = net.model({"insample_y": series, "insample_mask": torch.ones_like(series[..., 0]), "futr_exog": None,
                                    "hist_exog": None, "stat_exog": None})
        return found
    return Network(run, model=model), (torch.randn(2, 24, count),)


def _each(make: Callable[[str], Made], names: Mapping[str, object] | tuple[str, ...], prefix: str) -> dict[str, Callable[[], Made]]:
    return {prefix + name: (lambda name=name: make(name)) for name in names}


OTHER: dict[str, dict[str, Callable[[], Made]]] = {
    "restoration": _each(_restored, RESTORATION, "sp_"), "medicine": _each(_volume, MEDICINE, "monai_"),
    "speech": _each(_speech, SPEECH, "ta_"), "graphs": _each(_graph, GRAPHS, "pg_"), "forecasts": _each(_forecast, FORECASTS, "nf_"),
    "features": {**_each(_feature, FEATURES, "ko_"), **_each(lambda name: _image("kornia.color", name, {}), COLOURS, "ko_"),
                 **_each(lambda name: _image("kornia.filters", name, FILTERS[name]), FILTERS, "ko_")}}
"""Networks by group and name."""
