"""TFLite's two paddings. VALID adds nothing. SAME makes `ceil(size / stride)` windows and adds what they need, the smaller half in front.

The formula is that of LiteRT's `padding.h`: total = max((windows - 1) * stride + reach - size, 0), before = total // 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from nchw2nhwc.ir import Dim, Size, exact_div
from nchw2nhwc.ops.windowed import ConvTranspose


class Padding(IntEnum):
    """`Padding` of the schema."""

    SAME = 0
    VALID = 1


@dataclass(frozen=True)
class Window:
    """One spatial axis of a windowed op: size of the data, reach of the (dilated) kernel, stride, and the zeros around the data.

    `ceil`: a last window that is only partly filled counts too, unless it would start at or beyond `size + begin`.
    """

    size: Size
    reach: int
    stride: int
    begin: int
    end: int
    ceil: bool = False

    @property
    def count(self) -> int | None:
        """The number of windows; None while the size is symbolic."""
        if isinstance(self.size, Dim):
            return None
        room = self.size + self.begin + self.end - self.reach
        if not self.ceil:
            return room // self.stride + 1
        count = -(-room // self.stride) + 1
        return count - 1 if (count - 1) * self.stride >= self.size + self.begin else count

    def used(self) -> tuple[int, int] | None:
        """What the windows really read before and behind the data, which may be less than is declared (then `end` can be negative: data
        that no window reads) or, with `ceil`, more. None while that depends on a symbolic size."""
        if isinstance(self.size, int) and self.count is not None:
            return self.begin, (self.count - 1) * self.stride + self.reach - self.size - self.begin
        return (self.begin, self.end) if self.stride == 1 else None

    def is_valid(self) -> bool:
        """Whether VALID gives these windows."""
        used = self.used()
        if used is None:
            return self.begin == self.end == 0 == self.explicit()[1]
        return used[0] == 0 and used[1] <= 0

    def is_same(self) -> bool:
        """Whether SAME gives these windows for certain."""
        used = self.used()
        if isinstance(self.size, Dim):
            if exact_div(self.size, self.stride) is not None and self.reach >= self.stride:
                total = self.reach - self.stride
                return not self.ceil and (self.begin, self.end) == (total // 2, total - total // 2)
            halves = self.ceil and self.stride == self.reach == 2 and self.begin == self.end == 0
            return halves or used == ((self.reach - 1) // 2, self.reach // 2)
        windows = -(-self.size // self.stride)
        total = max((windows - 1) * self.stride + self.reach - self.size, 0)
        return windows == self.count and used is not None and used[0] == total // 2 and max(used[1], 0) == total - total // 2

    def explicit(self) -> tuple[int, int]:
        """Elements to add in front of and behind the data so that VALID gives these windows.

        With `ceil` and a symbolic size, `stride - 1` more than declared make every window full; where that is a whole window and more, the
        last one could start behind the data, so that only as many are added as one that starts at its last element reads.
        """
        if self.used() is None and self.ceil:
            return self.begin, min(self.end + self.stride, self.reach) - 1
        used = self.used() or (self.begin, self.end)
        return used[0], max(used[1], 0)


def padding_of(windows: Sequence[Window]) -> Padding | None:
    """The padding that gives these windows on all axes; None if neither does."""
    if all(w.is_valid() for w in windows):
        return Padding.VALID
    return Padding.SAME if all(w.is_same() for w in windows) else None


def placed(op: ConvTranspose, taps: Sequence[int]) -> Padding | None:
    """SAME or VALID if either gives the result at once; `taps` are the sizes of the kernel.

    The whole transpose is `(in - 1) * stride + reach` long. VALID starts with its first row and has up to stride - 1 empty rows behind it.
    SAME is as long as makes ceil(out / stride) = in, and cuts the smaller half of the rest in front.
    """
    reach = [d * (k - 1) + 1 for d, k in zip(op.dilations, taps)]
    longer = [o - b - e for o, b, e in zip(op.output_padding, op.pads_begin, op.pads_end)]
    if all(b == 0 and 0 <= n < s for b, n, s in zip(op.pads_begin, longer, op.strides)):
        return Padding.VALID
    same = all(-s < r - s + n <= 0 and b == max(-n, 0) // 2 for b, n, s, r in zip(op.pads_begin, longer, op.strides, reach))
    return Padding.SAME if same else None
