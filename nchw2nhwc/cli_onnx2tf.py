"""The flags of onnx2tf 2.6.9, each of which is answered with what takes its place. The answers are Markdown, for the documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping

ANSWERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Files": {
        "`MODEL`, the first argument; OpenVINO IR is read too": ("-i --input_onnx_file_path",),
        "not there: TFLite is a result, not a source": ("-it --input_tflite_file_path",),
        "`-o`, `--output-dir`; the default is the current folder": ("--output_folder_path",),
        "`--version`": ("-V",),
        "not needed: every TFLite file and SavedModel has a signature with the source's names": ("-osd --output_signaturedefs",),
        "`--to h5`": ("-oh5 --output_h5",),
        "`--to keras`": ("-okv3 --output_keras_v3",),
        "`--to pb`": ("-otfv1pb --output_tfv1_pb",),
        "`--to weights`": ("-ow --output_weights",),
        "`--to saved_model`": ("-fdosm --flatbuffer_direct_output_saved_model",),
        "not there: the Keras model (`--to keras`) runs with Keras' PyTorch backend": ("-fdopt --flatbuffer_direct_output_pytorch",),
        "not there": ("-fdots --flatbuffer_direct_output_torchscript", "-fdoep --flatbuffer_direct_output_exported_program"),
        "not there: the source is ONNX already": ("-fdodo --flatbuffer_direct_output_dynamo_onnx",),
        "not needed: no PyTorch code is generated": ("-npgts --native_pytorch_generation_timeout_sec",),
        "not needed: names stay, in the signature and on the tensors": ("-coion --copy_onnx_input_output_names_to_tflite",),
        "not there: convert in Python with `nchw2nhwc.convert` and save nothing": ("-dms --disable_model_save",),
        "`--quiet`": ("-n --non_verbose",),
        "`--quiet` or `--verbose`": ("-v --verbosity",),
    },
    "Backends": {
        "not needed: TFLite files are written directly, without TensorFlow; Keras models are made on their own": ("-tb --tflite_backend",),
        "not there: an op that is not supported is an error; cut the model with `--outputs` or [add the op](add-an-op.md)": (
            "-fdaco --flatbuffer_direct_allow_custom_ops", "-fdcoa --flatbuffer_direct_custom_op_allowlist"),
        "`openvino2tf inspect MODEL` lists the unsupported ops of a model; [supported ops](ops.md) is the whole table": (
            "-roc --report_op_coverage",),
        "not there: one model is one file; cut it with `--inputs` and `--outputs`": (
            "-tsmb --tflite_split_max_bytes", "-tstb --tflite_split_target_bytes", "-easm --enable_auto_split_model",
            "-asms --auto_split_max_size"),
    },
    "Quantization": {
        "`--quantize dynamic`": ("-odrqt --output_dynamic_range_quantized_tflite",),
        "`--quantize int8,int8-full,int16x8`, each of which is one file, with `--calibration DATA`": (
            "-oiqt --output_integer_quantized_tflite",),
        "per channel is the default; `--per-tensor`": ("-qt --quant_type",),
        "`--mean`: it becomes part of the model, so that calibration and use cannot disagree; `--calibration-mean` where it is not to": (
            "-qnm --quant_norm_mean", "-qns --quant_norm_std"),
        "`--io-dtype NAME=int8`, or `uint8`": ("-iqd --input_quant_dtype", "-oqd --output_quant_dtype"),
        "`--calibration FILE.npz`, with an array for each input by its name; `--check-inputs FILE.npz` for the check": (
            "-cind --custom_input_op_name_np_data_path",),
        "not there: `--float16` files compute in float32 unless the runtime is told otherwise": (
            "-eatfp16 --enable_accumulation_type_float16",),
    },
    "Shapes and layouts": {
        "`--batch N`; -1 keeps it open": ("-b --batch_size",),
        "`--input-shape NAME=1,3,H,W`": ("-ois --overwrite_input_shape",),
        "not needed: the check gives every open size a number of its own; `--check-inputs` chooses others": ("-sh --shape_hints",),
        "`--check-inputs FILE.npz`": ("-vh --value_hints",),
        "`--input-layout NAME=source`": ("-k --keep_ncw_or_nchw_or_ncdhw_input_names",),
        "not needed: an input that is channels-last in the source stays as it is; `--input-layout NAME=source` says so": (
            "-kt --keep_nwc_or_nhwc_or_ndhwc_input_names",),
        "`--input-layout NAME=source`; `--keep-layout` for all": ("-kat --keep_shape_absolutely_input_names",),
        "`--inputs NAMES`": ("-inimc --input_names_to_interrupt_model_conversion",),
        "`--outputs NAMES`": ("-onimc --output_names_to_interrupt_model_conversion",),
        "not needed: no axis is guessed, so there is none to replace": (
            "-prf --param_replacement_file", "-agj --auto_generate_json", "-agje --auto_generate_json_on_error"),
    },
    "How ops are expressed": {
        "not needed: onnxsim is not used": ("-nuo --not_use_onnxsim",),
        "not needed: nodes without a name are named after what they make": ("-nuonag --not_use_opname_auto_generate",),
        "not needed: a Tile or Expand is folded into a constant only where that stays small": ("-nlt --no_large_tensor",),
        "not needed: NonMaxSuppression gives the source's exact indices; `--nms cut` ends before it": (
            "-onwdt --output_nms_with_dynamic_tensor", "-onwa --output_nms_with_argmax", "-snms --switch_nms_version"),
        "not needed: grouped convolutions are one kernel where LiteRT has it, and taken apart where not": (
            "-dgc --disable_group_convolution",),
        "not needed: ranks above the kernel's limit are merged": ("-ebu --enable_batchmatmul_unfold",),
        "`--rnn unroll`; without it recurrent layers are LiteRT's kernel, a loop, or unrolled where the steps are few": (
            "-eru --enable_rnn_unroll",),
        "not needed: no Flex ops are ever written": (
            "-dsft --disable_suppression_flextranspose", "-nodaftc --number_of_dimensions_after_flextranspose_compression",
            "-dsfs --disable_suppression_flexstridedslice", "-nodafsc --number_of_dimensions_after_flexstridedslice_compression"),
        "not needed: nothing is tried, so nothing slow can be left out; `--no-check` skips the comparison": ("-dsm --disable_strict_mode",),
        "not needed: ONNX Runtime runs once, for the check": (
            "-doem --disable_onnxruntime_output_memmap", "-oemd --onnxruntime_output_memmap_dir"),
        "[`--target gpu`](devices.md)": ("-ofgd --optimization_for_gpu_delegate",),
        "[`--target gpu`](devices.md), which lists every operator that the delegate does not run": (
            "-cgdc --check_gpu_delegate_compatibility",),
        "[`--target gpu`](devices.md) does it; elsewhere ArgMax is a kernel": (
            "-rari64 --replace_argmax_to_reducemax_and_indices_is_int64", "-rarf32 --replace_argmax_to_reducemax_and_indices_is_float32"),
        "not there: it trades accuracy for speed": (
            "-rafi64 --replace_argmax_to_fused_argmax_and_indices_is_int64",
            "-raff32 --replace_argmax_to_fused_argmax_and_indices_is_float32", "-fasr --fused_argmax_scale_ratio"),
        "not needed: what a target lacks is always expressed in what it has": ("-rtpo --replace_to_pseudo_operators",),
        "not needed: the epsilon that the ONNX standard defines is used": ("-me --mvn_epsilon",),
    },
    "Comparing with the source": {
        "every run does it; `--no-check` turns it off": ("-coto --check_onnx_tf_outputs_elementwise_close",),
        "[`openvino2tf check --layers`, `openvino2tf bisect`](debug.md)": ("-cotof --check_onnx_tf_outputs_elementwise_close_full",),
        "`--check-inputs FILE.npz`": ("-coton --check_onnx_tf_outputs_sample_data_normalization",),
        "`--tolerance`, relative to the output's largest magnitude": (
            "-cotor --check_onnx_tf_outputs_elementwise_close_rtol", "-cotoa --check_onnx_tf_outputs_elementwise_close_atol"),
        "`--check-inputs FILE.npz`, in the source's axis order": ("-tdnp --test_data_nhwc_path",),
        "every run does it; `--report FILE.json` writes the numbers": ("-ewo --eval_with_onnx",),
        "[`openvino2tf check --samples N`](debug.md)": ("-ens --eval_num_samples",),
        "`--tolerance`": ("-ert --eval_rtol", "-eat --eval_atol"),
        "always: exit status 3": ("-efot --eval_fail_on_threshold",),
        "every file that is written is compared": ("-ett --eval_target_tflite",),
        "not needed: quantized files are compared with the source on held-out samples; `--min-sqnr` is the threshold": (
            "-ecm --eval_compare_mode",),
        "not there: models are not split": ("-esm --eval_split_models", "-esfot --eval_split_fail_on_threshold"),
    },
}
"""What is here instead, by the subject of flags: the answer, and the flags (short and long) that it is for."""


def replaced() -> dict[str, str]:
    """Every flag, in each of its spellings, with its answer as plain text."""
    return {spelling: _plain(answer) for subject in ANSWERS.values() for answer, flags in subject.items() for flag in flags
            for spelling in flag.split()}


def _plain(markdown: str) -> str:
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")
