"""Reading a flag's value: each function raises ValueError with a message for the user."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from numbers import Integral, Real
from operator import index
from typing import TYPE_CHECKING, TypeVar

from nchw2nhwc.errors import OptionError
from nchw2nhwc.options.choices import DEVICES, FORMS, LAYOUTS, NMS_FORMS, RANDOM_FORMS, Form, Nms, Random

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Choice = TypeVar("_Choice", bound=str)


_KINDS = {bool: (bool, "True or False"), str: (str, "a text"), int: (Integral, "an integer"), float: (Real, "a number")}
"""What values of options have to be, by the type of their default."""


def require_kinds(options: DataclassInstance) -> None:
    """Raises OptionError for a switch, text or number that is something else: a text in the place of a truth value would count as True."""
    for f in fields(options):
        kind, what = _KINDS.get(type(f.default), (object, ""))
        given = getattr(options, f.name)
        if not isinstance(given, kind):
            raise OptionError(f"{f.name}={given!r}: give {what}")


def parse_shape(text: str) -> tuple[int, ...]:
    """`1,3,224,224` as integers; `-1` or `?` is a dimension of any size."""
    try:
        sizes = tuple(-1 if part.strip() == "?" else int(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise ValueError(f"'{text}' is not a shape; write numbers with commas between them, as in 1,3,224,224") from None
    return check_shape(sizes, text)


def check_shape(sizes: Sequence[int], what: str) -> tuple[int, ...]:
    """`sizes` as plain integers when each is positive or -1; raises ValueError naming `what`, for what is no sequence of integers too."""
    try:
        found = tuple(index(size) for size in sizes)
    except TypeError:
        raise ValueError(f"'{what}' is {sizes!r}; sizes are integers, and -1 stands for any size") from None
    if any(s < 1 and s != -1 for s in found):
        raise ValueError(f"'{what}' has a size that is not positive; -1 stands for any size")
    return found


def parse_values(text: str) -> tuple[float, ...]:
    """`1,2.5` as numbers."""
    try:
        return check_values([float(part) for part in text.split(",")], text)
    except ValueError:
        raise ValueError(f"'{text}' is no value; write numbers with commas between them, as in 16000") from None


def check_values(numbers: Sequence[float], what: str) -> tuple[float, ...]:
    """`numbers` as a tuple when each is finite and there is one; raises ValueError naming `what`."""
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ValueError(f"'{what}' needs at least one finite number as its value")
    return tuple(numbers)


def parse_layout(text: str) -> str:
    """One of `LAYOUTS`, in any case."""
    layout = text.strip().lower()
    layout = "source" if layout == "nchw" else layout
    if layout not in LAYOUTS:
        raise ValueError(f"'{text}' is not a layout; choose from {', '.join(LAYOUTS)}")
    return layout


def parse_device(text: str) -> str:
    """One of `DEVICES`, in any case."""
    device = text.strip().lower()
    if device not in DEVICES:
        raise ValueError(f"'{text}' is no target; choose from {', '.join(DEVICES)}")
    return device


def parse_batch(text: str) -> int:
    """A batch size of at least 1, or -1 for any."""
    try:
        return check_shape((int(text),), text)[0]
    except ValueError:
        raise ValueError(f"'{text}' is not a batch size; give a positive number, or -1 for any size") from None


def parse_form(text: str) -> Form:
    """One of `FORMS`, in any case."""
    return _choice(text, FORMS, "no way to run recurrent layers")


def parse_nms(text: str) -> Nms:
    """One of `NMS_FORMS`, in any case."""
    return _choice(text, NMS_FORMS, "nothing that non-maximum suppression can become")


def parse_random(text: str) -> Random:
    """One of `RANDOM_FORMS`, in any case."""
    return _choice(text, RANDOM_FORMS, "nothing that random numbers can become")


def _choice(text: str, choices: Sequence[_Choice], otherwise: str) -> _Choice:
    """The one of `choices` that a text is, in any case; `otherwise` says what any other text is."""
    for choice in choices:
        if choice == text.strip().lower():
            return choice
    raise ValueError(f"'{text}' is {otherwise}; choose from {', '.join(choices)}")


def parse_tolerance(text: str) -> float:
    """A finite number above 0."""
    try:
        return check_tolerance(float(text))
    except (ValueError, OptionError):
        raise ValueError(f"'{text}' is not a tolerance; give a number above 0, such as 1e-4") from None


def check_tolerance(value: float) -> float:
    """`value` when it is a finite number above 0; raises OptionError."""
    if not (isinstance(value, Real) and math.isfinite(value) and value > 0):
        raise OptionError(f"tolerance={value!r}: give a number above 0, such as 1e-4")
    return float(value)


def parse_range(text: str) -> tuple[float, float]:
    """`LOW,HIGH` as two numbers."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 2:
        raise ValueError(f"'{text}' is not a range; write two numbers with a comma between them, as in 0,255")
    return check_range(numbers, text)


def check_range(bounds: Sequence[float], what: str) -> tuple[float, float]:
    """Two finite numbers, the first not above the second; raises ValueError naming `what`."""
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"'{what}' is not a range from a lower to a higher number")
    return low, high


def parse_count(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"'{text}' is not a number of samples; give a whole number above 0")
    return int(text)


def split_names(text: str) -> tuple[str, ...]:
    r"""Names with commas between them; `\,` is a comma that belongs to a name."""
    parts = text.replace("\\,", "\0").split(",")
    return tuple(name for part in parts if (name := part.replace("\0", ",").strip()))


def split_pair(text: str) -> tuple[str, str]:
    """`NAME=VALUE` as `(NAME, VALUE)`; the name may itself hold `=`."""
    name, equals, value = text.rpartition("=")
    if not equals or not name:
        raise ValueError(f"'{text}' is not of the form NAME=VALUE")
    return name, value
