"""Every network of a folder (.onnx, .xml), and the IR v11 that OpenVINO makes of ONNX, converted and checked by the product itself; see
README.md beside it.

python benchmarks/own_check.py --models DIR [--ir11] [--open] [--only NAME ...]

A line for each: the worst error and the number of transposes. An .npz file of the same name has inputs for the check. `--open` declares the
batch and all spatial sizes open instead, and follows the flags that errors name until the network converts: the line then has the shapes,
and how many errors it took. Exit status: 0 when all pass, 1 when one fails or nothing was measured.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from measure.make_ir import make_ir

import nchw2nhwc
from nchw2nhwc.checking.inputs import load_inputs
from nchw2nhwc.source import identify
from nchw2nhwc.source.reading import source_inputs

FLAG = re.compile(r"--input-shape (\S+)=([-\d,]+)(?=\s|$|\.)")
MOST_ERRORS = 8


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("own_check.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, metavar="DIR", help="folder of ONNX files and IR")
    parser.add_argument("--ir11", action="store_true", help="each as IR v11 too, with float32 weights, made by the installed OpenVINO")
    parser.add_argument("--open", action="store_true", help="declare all sizes open but those of channels")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these networks")
    return parser.parse_args(argv)


def files(args: argparse.Namespace, scratch: Path) -> Iterator[Path]:
    """The files to convert, made when it is their turn."""
    for path in sorted([*args.models.glob("*.onnx"), *args.models.glob("*.xml")]):
        if not args.only or path.stem in args.only:
            yield path
            if args.ir11 and path.suffix == ".onnx":
                xml = scratch / f"{path.stem}.xml"
                make_ir(path, xml, float16=False)
                yield xml


def checked(path: Path) -> tuple[bool, str]:
    """Whether the product's check passes, and what it says."""
    try:
        converted, inputs = nchw2nhwc.convert(path), path.with_suffix(".npz")
        outcome = converted.check(load_inputs(inputs) if inputs.exists() else None)
    except nchw2nhwc.ConversionError as error:
        return False, str(error)
    moves = converted.report["transposes"]
    ranked = ", past rankings" if outcome.rankings is not None else ", rounding" if outcome.rounding is not None else ""
    proven = "" if moves["proven_minimal"] else ", not proven minimal"
    return outcome.passed and moves["proven_minimal"], f"{outcome.max_rel_error:.1e}{ranked}, {moves['count']} transposes{proven}"


def opened(path: Path) -> tuple[bool, str]:
    """Whether the network converts with open sizes, those fixed that errors say have to be, and with which."""
    shapes: dict[str, list[int]] = {}
    for info in source_inputs(identify(path), nchw2nhwc.ConvertOptions()):
        sizes = info.source_shape
        channels = 0 if len(sizes) == 3 and sizes[0] == 3 else 1 if len(sizes) > 2 else None
        shapes[info.name] = [size if axis == channels else -1 for axis, size in enumerate(sizes)]
    for errors in range(MOST_ERRORS):
        try:
            nchw2nhwc.convert(path, input_shape=shapes)
        except nchw2nhwc.ConversionError as error:
            flags = {name: [int(size) for size in sizes.split(",")] for name, sizes in FLAG.findall(error.advice)}
            if not flags or not error.where.layer or not flags.keys() <= shapes.keys():
                return False, f"an error without layer or flag: {error}"
            shapes |= flags
        else:
            return True, f"{', '.join(f'{name}={sizes}' for name, sizes in shapes.items())} after {errors} errors"
    return False, f"still an error after {MOST_ERRORS} flags: {shapes}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    args = arguments(argv)
    results = []
    with tempfile.TemporaryDirectory(prefix="own-check-") as scratch:
        for path in files(args, Path(scratch)):
            passed, text = (opened if args.open else checked)(path)
            results.append(passed)
            print(f"{'pass' if passed else 'FAIL'}  {path.name}: {text}", flush=True)
    print(f"{sum(results)} of {len(results)} pass")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
