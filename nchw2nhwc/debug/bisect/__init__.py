"""The first stage of a conversion, and the op, with which a result begins to differ from its source.

Nothing is run that is not needed: source and result run once with all tensors kept; then only what lies between the first tensor that is
off and those before it that agree is computed, in numpy, from the source's own values, after every step of the conversion.
"""

from nchw2nhwc.debug.bisect.find import bisect
from nchw2nhwc.debug.bisect.finding import Bisection, Finding

__all__ = ["Bisection", "Finding", "bisect"]
