"""OpenVINO's operations that are not read, and why."""

from __future__ import annotations

from collections.abc import Mapping

_STRINGS = "targets have no tensors of strings"

REASONS: Mapping[str, str] = {
    "Multinomial": "its results are random; --random inputs spells it out with an input of uniform numbers, if it draws with replacement",
    "StringTensorPack": _STRINGS, "StringTensorUnpack": _STRINGS,
    "SparseFillEmptyRows": "how many elements its results have depends on data",
    "GroupedMatMul": "OpenVINO itself has nothing yet that computes it, so that no result could be compared",
}
"""By the type of layers. What is neither here nor mapped is not OpenVINO's, or newer than this version."""
