"""Which layers have to stay in float (or in int16) for the others to be quantized well enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nchw2nhwc.errors import OptionError
from nchw2nhwc.quantize.accuracy import LayerAccuracy

TRIES = 24
"""How many layers are tried again, each alone, once enough are kept."""


@dataclass(frozen=True)
class Mixed:
    """A file that reaches what was asked for, and the tensors whose operators were kept for that."""

    content: bytes
    kept: tuple[str, ...]


def fewest(make: Callable[[Sequence[str]], bytes], ordered: Callable[[bytes], Sequence[str]], measure: Callable[[bytes], float],
           target: float, told: Callable[[str], None], instead: str = "") -> Mixed:
    """Keep as few as brings `measure` to `target` dB.

    `ordered` names what can be kept, the noisiest first; the shortest run from there on that suffices is found by halving, and then every
    operator in it is quantized again unless it is needed. So none of those that are kept can be left out by itself (where there are more
    than `TRIES`, none of the quietest). Raises OptionError when not even all of them suffice, which says what
    to do `instead`.
    """
    content = make(())
    reached = measure(content)
    told(f"all quantized: {reached:.1f} dB")
    if reached >= target:
        return Mixed(content, ())
    order = ordered(content)
    low, high, content = 0, len(order), make(order)
    reached = measure(content)
    if reached < target:
        raise OptionError(f"{target:g} dB cannot be reached: with every layer kept it is {reached:.1f} dB",
                          advice=f"Ask for less with --auto-mixed{instead}.")
    while high - low > 1:
        middle = (low + high) // 2
        tried = make(order[:middle])
        reached = measure(tried)
        told(f"{middle} kept: {reached:.1f} dB")
        if reached >= target:
            high, content = middle, tried
        else:
            low = middle
    kept = order[:high]
    for name in list(reversed(kept))[1:TRIES + 1]:
        without = [each for each in kept if each != name]
        tried = make(without)
        if measure(tried) >= target:
            kept, content = without, tried
            told(f"{len(kept)} kept without {name}")
    return Mixed(content, tuple(kept))


def by_noise(layers: Sequence[LayerAccuracy]) -> list[str]:
    """Tensors by the noise that their operators add, relative to the signal, the noisiest first."""
    return [layer.tensor for layer in sorted(layers, key=lambda layer: layer.own)]
