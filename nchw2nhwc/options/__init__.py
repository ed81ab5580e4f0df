"""The options of a conversion. Every field is also a flag of the command line, made from the metadata beside it.

`ConvertOptions` holds what decides the result and is what `nchw2nhwc.convert` takes; `RunOptions` holds what only a run of the command
line has: where files go, the check, and what is printed. `QuantizeOptions`, of quantization, is in `quantize`.
"""

from nchw2nhwc.options.choices import (
    APPROXIMATED,
    CPU,
    DEVICES,
    EVERY,
    FIXED_SIZES,
    FORMS,
    KERAS_FILES,
    LAYOUTS,
    NMS_FORMS,
    TARGETS,
    WITH_INT16,
    Form,
    Nms,
    Route,
)
from nchw2nhwc.options.convert import ConvertOptions
from nchw2nhwc.options.flags import Flag, flag, flag_of
from nchw2nhwc.options.run import RunOptions
from nchw2nhwc.options.tolerances import MIN_SQNR, TOLERANCE, TOLERANCE_FLOAT16, TOLERANCE_INSIDE_QUANTIZED, TOLERANCE_QUANTIZED
from nchw2nhwc.options.values import (
    check_range,
    check_shape,
    check_values,
    parse_batch,
    parse_count,
    parse_device,
    parse_form,
    parse_layout,
    parse_nms,
    parse_range,
    parse_shape,
    parse_tolerance,
    parse_values,
    split_names,
    split_pair,
)

__all__ = [
    "APPROXIMATED",
    "CPU",
    "DEVICES",
    "EVERY",
    "FIXED_SIZES",
    "FORMS",
    "KERAS_FILES",
    "LAYOUTS",
    "MIN_SQNR",
    "NMS_FORMS",
    "TARGETS",
    "TOLERANCE",
    "TOLERANCE_FLOAT16",
    "TOLERANCE_INSIDE_QUANTIZED",
    "TOLERANCE_QUANTIZED",
    "WITH_INT16",
    "ConvertOptions",
    "Flag",
    "Form",
    "Nms",
    "Route",
    "RunOptions",
    "check_range",
    "check_shape",
    "check_values",
    "flag",
    "flag_of",
    "parse_batch",
    "parse_count",
    "parse_device",
    "parse_form",
    "parse_layout",
    "parse_nms",
    "parse_range",
    "parse_shape",
    "parse_tolerance",
    "parse_values",
    "split_names",
    "split_pair",
]
