"""Conditions under which devices run operators."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.targets.site import Site
from nchw2nhwc.targets.table import Need

NO_ACTIVATION = 0
_REFLECT = 0


def most_axes(count: int) -> Need:
    """All operands and results."""
    return Need(f"at most {count} axes", lambda site: all(len(t.shape) <= count for t in site.tensors))


def data_axes(*counts: int) -> Need:
    """The first operand."""
    return Need(f"data of {' or '.join(map(str, counts))} axes", lambda site: len(site.operand(0).shape) in counts)


def constant(index: int, what: str) -> Need:
    """An operand."""
    return Need(f"constant {what}", lambda site: site.constant(index) is not None)


def result_type(name: str) -> Need:
    """The first result."""
    return Need(f"an {name} result", lambda site: site.results[0].dtype.name == name)


def operand_type(index: int, names: str, what: str) -> Need:
    """An operand, computed or not."""
    return Need(f"{what} of {' or '.join(names.split())}", lambda site: site.operand(index).dtype.name in names.split())


def option_is(name: str, value: int, text: str) -> Need:
    """An attribute."""
    return Need(text, lambda site: site.option(name) == value)


PLAIN = option_is("fusedActivationFunction", NO_ACTIVATION, "no fused activation")
REFLECT = option_is("mode", _REFLECT, "padding that reflects without the edge")
STATIC = Need("fixed sizes", lambda site: all(t.signature is None for t in site.tensors))
BIAS = Need("a bias", lambda site: len(site.operands) > 2 and site.operands[2] is not None)
NOT_SCALAR = Need("a result that has axes", lambda site: len(site.results[0].shape) > 0)
ONE_COMPUTED = Need("one computed operand", lambda site: len(site.computed) == 1)


def _same_batch(site: Site) -> bool:
    a, b = (site.operand(k).shape for k in (0, 1))
    return a[:-2] == b[:-2]


NO_BATCH_BROADCAST = Need("equal batch axes of both operands", _same_batch)


def axes_of(site: Site) -> set[int]:
    """The axes that are reduced, of operand 1; all if they are computed."""
    rank = len(site.operand(0).shape)
    axes = site.constant(1)
    return set(range(rank)) if axes is None else {int(k) % rank for k in np.ravel(axes)}


def _keeps_batch(site: Site) -> bool:
    return len(site.operand(0).shape) < 4 or 0 not in axes_of(site)


BATCH_KEPT = Need("a batch axis that is not reduced", _keeps_batch)
