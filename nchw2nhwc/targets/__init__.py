"""Devices that a TFLite file is for: what each runs, which operators of a file it does not, and rewrites for what it lacks."""

from nchw2nhwc.targets.edgetpu import EDGETPU
from nchw2nhwc.targets.gpu import GPU
from nchw2nhwc.targets.micro import MICRO
from nchw2nhwc.targets.nnapi import NNAPI
from nchw2nhwc.targets.table import Target

TABLES: dict[str, Target] = {target.name: target for target in (GPU, EDGETPU, NNAPI, MICRO)}
"""The devices that have a table, by name. The CPU has none: it runs whatever is written."""

__all__ = ["TABLES", "Target"]
