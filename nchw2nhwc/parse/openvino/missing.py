"""OpenVINO's operations that are not read, and why."""

from __future__ import annotations

from collections.abc import Mapping

_RANDOM = "its results are random with chances that data decides, so that no input can take their place"
_STRINGS = "targets have no tensors of strings"

REASONS: Mapping[str, str] = {
    "Multinomial": _RANDOM, "StringTensorPack": _STRINGS, "StringTensorUnpack": _STRINGS,
    "SparseFillEmptyRows": "how many elements its results have depends on data",
    "GroupedMatMul": "OpenVINO itself has nothing yet that computes it, so that no result could be compared",
}
"""By the type of layers. What is neither here nor mapped is not OpenVINO's, or newer than this version."""
