"""The flags of openvino2tensorflow 1.34: those that mean the same are accepted, the others are answered with what replaces them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from nchw2nhwc.options import EVERY, split_names

ACCEPTED: Mapping[str, tuple[str, str]] = {
    "--model_path": ("MODEL", "the same as MODEL"),
    "--model_output_path": ("DIR", "the same as -o DIR"),
    "--output_no_quant_float32_tflite": ("", "no effect: the float32 file is always written"),
    "--output_float16_quant_tflite": ("", "the same as --float16"),
    "--output_weight_quant_tflite": ("", "the same as --quantize weight8"),
    "--output_dynamic_range_quant_tflite": ("", "the same as --quantize dynamic"),
    "--output_integer_quant_tflite": ("", "the same as --quantize int8"),
    "--output_full_integer_quant_tflite": ("", "the same as --quantize int8-full"),
    "--output_integer_quant_type": ("TYPE", "the same as --io-dtype TYPE"),
    "--load_dest_file_path_for_the_calib_npy": ("FILE", "the same as --calibration FILE --calibration-layout result"),
    "--disable_per_channel": ("", "the same as --per-tensor"),
    "--output_saved_model": ("", "adds saved_model to --to"),
    "--output_h5": ("", "adds h5 to --to"),
    "--output_weight_and_json": ("", "adds weights to --to"),
    "--output_pb": ("", "adds pb to --to"),
    "--keep_input_tensor_in_nchw": ("", f"the same as --input-layout '{EVERY}=source'"),
    "--layerids_of_the_terminating_output": ("IDS", "like --outputs, with layer ids of the .xml"),
}
"""Flag: (placeholder of its value, "" for a switch; help)."""

_TENSORFLOW = "not available: make it from the SavedModel (--to saved_model) with the tool of its maker"
_TARGETS = {"output_saved_model": "saved_model", "output_h5": "h5", "output_weight_and_json": "weights", "output_pb": "pb"}
_QUANTIZED = {"output_weight_quant_tflite": "weight8", "output_dynamic_range_quant_tflite": "dynamic",
              "output_integer_quant_tflite": "int8", "output_full_integer_quant_tflite": "int8-full"}
_CALIBRATION = "not available: give the samples as --calibration DATA, an .npz or .npy file, a folder of those or of images"
_FORMULA = ("use --mean and --scale (and --reverse-channels, --input-dtype): (x - mean) / scale becomes part of the model; the formula "
            "'(data - [127.5,127.5,127.5]) / [127.5,127.5,127.5]' is --mean 127.5 --scale 127.5")
_ONNX = "not needed: ONNX is a source here; give the .onnx file as MODEL"
_DEVICE = "not available: compile the .tflite file with the vendor's own compiler"
_EDGE_TPU = "use --target edgetpu with --calibration, and compile the full_integer_quant.tflite file with edgetpu_compiler"
_TARGET = "use --target (gpu, edgetpu, nnapi, micro): what the device lacks is said in operators that it has, and what is left is listed"
_EXACT = "not needed: ops are converted to what computes the same, and the check shows that it does"

_WHY: Mapping[str, tuple[str, ...]] = {
    _TENSORFLOW: ("output_tfjs", "output_tftrt_float32", "output_tftrt_float16", "tftrt_maximum_cached_engines", "output_coreml"),
    "not needed: there is only one quantizer": ("disable_experimental_new_quantizer",),
    _FORMULA: ("string_formulas_for_normalization",),
    _CALIBRATION: ("calib_ds_type", "ds_name_for_tfds_for_calibration", "split_name_for_tfds_for_calibration",
                   "download_dest_folder_path_for_the_calib_tfds", "tfds_download_flg"),
    _ONNX: ("output_onnx", "onnx_opset", "onnx_extra_opset", "disable_onnx_nchw_conversion", "disable_onnx_optimization",
            "optimizing_barracuda"),
    _DEVICE: ("output_myriad", "vpu_number_of_shaves", "vpu_number_of_cmx_slices"),
    _EDGE_TPU: ("output_edgetpu", "edgetpu_compiler_timeout", "edgetpu_num_segments"),
    _EXACT: ("replace_prelu_and_minmax", "restricted_resize_image_mode"),
    _TARGET: ("replace_swish_and_hardswish", "optimizing_hardswish_for_edgetpu", "replace_argmax", "replace_argmax_indices_to_float32"),
    "not needed: the file is written directly, without Keras": ("dont_convert_from_keras_model",),
    "not needed: layouts are solved for, so no constant has to be replaced by hand; --explain-layout shows what was decided, "
    "--input-layout and --output-layout set the interface": ("weight_replacement_config",),
    "not needed: inputs of any rank are recognised; set one with --input-layout NAME=nhwc": ("input_as_ncdhw",),
    "use --quiet": ("non_verbose",),
}

REPLACED: Mapping[str, str] = {f"--{name}": answer for answer, names in _WHY.items() for name in names}
"""Flag: what to use instead."""


def adopt(given: dict[str, object], parser: argparse.ArgumentParser) -> tuple[str, ...]:
    """Replace openvino2tensorflow's flags in the parsed arguments by ours; returns the layer ids that are to be outputs.

    Exits with status 2 when both spellings of one thing are given.
    """
    def move(old: str, new: str, value: object) -> None:
        if old in given:
            del given[old]
            if new in given:
                parser.error(f"--{old} says the same as another option that is given too")
            given[new] = value

    move("model_path", "model", Path(str(given.get("model_path"))))
    move("model_output_path", "output_dir", Path(str(given.get("model_output_path"))))
    given.pop("output_no_quant_float32_tflite", None)
    if given.pop("output_float16_quant_tflite", False):
        given["float16"] = True
    more = [target for flag, target in _TARGETS.items() if given.pop(flag, False)]
    if more:
        listed = given.get("to", ("tflite",))
        assert isinstance(listed, tuple)
        given["to"] = (*listed, *more)
    _adopt_quantization(given, move)
    move("keep_input_tensor_in_nchw", "input_layout", {EVERY: "source"})
    ids = given.pop("layerids_of_the_terminating_output", None)
    if ids is not None and "outputs" in given:
        parser.error("--layerids_of_the_terminating_output says the same as --outputs")
    return split_names(str(ids)) if ids is not None else ()


def _adopt_quantization(given: dict[str, object], move: Callable[[str, str, object], None]) -> None:
    """The flags of quantization; those that name files add to --quantize."""
    modes = tuple(mode for flag, mode in _QUANTIZED.items() if given.pop(flag, False))
    if modes:
        listed = given.get("quantize", ())
        assert isinstance(listed, tuple)
        given["quantize"] = (*listed, *modes)
    move("output_integer_quant_type", "io_dtype", (str(given.get("output_integer_quant_type")),))
    if "load_dest_file_path_for_the_calib_npy" in given:
        given.setdefault("calibration_layout", "result")
    move("load_dest_file_path_for_the_calib_npy", "calibration", given.get("load_dest_file_path_for_the_calib_npy"))
    move("disable_per_channel", "per_tensor", True)
