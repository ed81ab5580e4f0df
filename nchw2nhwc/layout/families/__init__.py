"""What each rule of `ops.rules` means to the layout problem."""

from __future__ import annotations

from typing import cast

from nchw2nhwc.layout.families.along import AlongFamily, GatherFamily
from nchw2nhwc.layout.families.base import AxisTie, Family, Placement, Signature, View
from nchw2nhwc.layout.families.contraction import ContractionFamily
from nchw2nhwc.layout.families.elementwise import ElementwiseFamily, NormalizationFamily
from nchw2nhwc.layout.families.recurrence import RecurrenceFamily
from nchw2nhwc.layout.families.reduction import LastFamily, ReductionFamily
from nchw2nhwc.layout.families.spatial import SourceOrderFamily, SpatialFamily
from nchw2nhwc.layout.families.views import RenameFamily
from nchw2nhwc.ops import rules
from nchw2nhwc.ops.rules import Rule

__all__ = ["AxisTie", "Family", "Placement", "Signature", "View", "family_of"]

_FAMILIES: dict[type[Rule], object] = {
    rules.Elementwise: ElementwiseFamily(),
    rules.Broadcast: ElementwiseFamily(),
    rules.Normalization: NormalizationFamily(),
    rules.Along: AlongFamily(),
    rules.GatherAxis: GatherFamily(),
    rules.Reduction: ReductionFamily(),
    rules.Last: LastFamily(),
    rules.Rename: RenameFamily(),
    rules.Contraction: ContractionFamily(),
    rules.Spatial: SpatialFamily(),
    rules.Recurrence: RecurrenceFamily(),
    rules.SourceOrder: SourceOrderFamily(),
}


def family_of(rule: Rule) -> Family[Rule]:
    """The meaning of `rule`."""
    return cast(Family[Rule], _FAMILIES[type(rule)])
