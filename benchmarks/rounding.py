"""How far results that are right are from their sources, beside how far rounding alone moves the sources; see README.md beside it.

python benchmarks/rounding.py --models DIR [--only NAME ...]

A line for each network of a folder (.onnx, .xml): its worst error, how far the source moves when inputs change in their last bit, and the
first divided by the second. Networks that take integers alone, and errors above the tolerance, are left out. The check allows
`nchw2nhwc.checking.rounding.FACTOR` times what the source moves by. Exit status: 0 when that is enough for nine networks of ten, 1 when
it is not or nothing was measured.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import nchw2nhwc
from nchw2nhwc.checking import source_outputs
from nchw2nhwc.checking.rounding import FACTOR, measure

SHARE = 0.9
"""The part of all networks that `FACTOR` has to be enough for."""


def ratio(path: Path) -> tuple[float, float] | None:
    """Of the output that is furthest off in comparison: its error, and how far rounding moves it; None where either is nothing. Raises
    ConversionError."""
    converted = nchw2nhwc.convert(path)
    outcome = converted.check()
    if not outcome.passed or outcome.rankings is not None:
        return None
    reference = converted.reference()
    floats = {info.name for info in converted.outputs if info.source_type.dtype.kind == "f"}
    found = measure(lambda data: source_outputs(converted.source, converted.inputs, converted.outputs, data), converted.graph,
                    [each.data for each in reference.runs], [each.expected for each in reference.runs])
    pairs = [(outcome.outputs[name], moved) for name, moved in found.moved.items() if name in floats and moved and outcome.outputs[name]]
    return max(pairs, key=lambda pair: pair[0] / pair[1], default=None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    parser = argparse.ArgumentParser("rounding.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, metavar="DIR", help="folder of ONNX files and IR")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these networks")
    args = parser.parse_args(argv)
    ratios: list[float] = []
    for path in sorted([*args.models.glob("*.onnx"), *args.models.glob("*.xml")]):
        if args.only and path.stem not in args.only:
            continue
        try:
            found = ratio(path)
        except nchw2nhwc.ConversionError as error:
            print(f"{path.name:40} left out: {error.reason}", flush=True)
            continue
        if found is None:
            print(f"{path.name:40} left out: nothing to divide", flush=True)
        else:
            ratios.append(found[0] / found[1])
            print(f"{path.name:40} error {found[0]:.1e}, the last bit of inputs {found[1]:.1e}: {ratios[-1]:5.2f}", flush=True)
    if not ratios:
        return 1
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    within = sum(each <= FACTOR for each in ratios)
    print(f"{len(ratios)} networks: {min(ratios):.1f} to {max(ratios):.1f}, geometric mean {mean:.1f}; {within} within {FACTOR}")
    return 0 if within >= SHARE * len(ratios) else 1


if __name__ == "__main__":
    sys.exit(main())
