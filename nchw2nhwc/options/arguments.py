"""The options of a conversion for type checkers: what `nchw2nhwc.convert` takes by name. A test compares it with `ConvertOptions`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypedDict

from nchw2nhwc.options.choices import Form, Nms, Random
from nchw2nhwc.options.metadata import Labels
from nchw2nhwc.options.preprocess import Numbers


class ConvertArguments(TypedDict, total=False):
    """The fields of `ConvertOptions`, each of which may be left out."""

    bin: str | os.PathLike[str] | bytes | None
    input_shape: Mapping[str, Sequence[int]]
    input_value: Mapping[str, Sequence[float]]
    batch: int | None
    input_layout: Mapping[str, str]
    output_layout: Mapping[str, str]
    keep_layout: bool
    rnn: Form
    nms: Nms
    random: Random
    dequantize: bool
    inputs: Sequence[str]
    outputs: Sequence[str]
    target: str
    mean: Mapping[str, Numbers] | Numbers
    scale: Mapping[str, Numbers] | Numbers
    reverse_channels: bool | Sequence[str]
    input_dtype: Mapping[str, str] | str
    labels: Mapping[str, Labels] | Labels
    model_name: str
    model_description: str
    model_version: str
    model_author: str
    model_license: str
