"""How many operators of the zoo's networks devices do not run, in files for the CPU and in those made for the device.

    python benchmarks/devices.py --models DIR [--only NAME...] [--target DEVICE...] [--quantize] [--markdown FILE]

prints a line for each network and device, checks each rewritten file against its source, and exits with 1 when one is off, or when nothing
was measured. `--markdown docs/devices.md` puts the table between the marks of that page. `--quantize` judges files for the Edge TPU by
quantized ones, which it makes (with ranges of random numbers), instead of by what quantization would make of the float32 ones.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import nchw2nhwc
from nchw2nhwc.options.quantize import FOR_DEVICE, RANDOM
from nchw2nhwc.targets import TABLES
from nchw2nhwc.targets.fallbacks import fallbacks

BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


@dataclass(frozen=True)
class Measured:
    """Operators, and those among them that the device does not run, before and after; the error of the file that is made for it."""

    ops: tuple[int, int]
    left: tuple[int, int]
    error: float
    passed: bool


def measure(path: Path, target: str, *, quantize: bool) -> Measured:
    """One network on one device. Raises ConversionError."""
    plain, made = nchw2nhwc.convert(path), nchw2nhwc.convert(path, target=target)
    check = made.check()
    if quantize and target in FOR_DEVICE:
        made.tflite(quantize=nchw2nhwc.QuantizeOptions([FOR_DEVICE[target]], calibration=RANDOM))
    judged = made.judged()
    assert judged is not None, "the device has no table"
    left = len(fallbacks(plain.flatbuffer().model, TABLES[target])), len(judged.fallbacks)
    return Measured((plain.result_ops, judged.ops), left, check.max_rel_error, check.passed)


def markdown(found: dict[str, dict[str, Measured]], targets: list[str]) -> str:
    """The table of networks of which some device does not run all."""
    lines = ["| network | " + " | ".join(f"`{t}`" for t in targets) + " |", "|---" * (len(targets) + 1) + "|"]
    for name, row in found.items():
        if any(any(m.left) for m in row.values()):
            cells = [f"{m.left[0]} of {m.ops[0]} → {m.left[1]} of {m.ops[1]}" if (m := row.get(t)) is not None else "" for t in targets]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    sums = [[sum(row[t].left[k] for row in found.values() if t in row) for k in (0, 1)] for t in targets]
    total = [f"{before} → {after}" for before, after in sums]
    return "\n".join([*lines, f"| all {len(found)} | " + " | ".join(total) + " |"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--models", type=Path, required=True, metavar="DIR", help="the hydrated zoo")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these networks")
    parser.add_argument("--target", nargs="+", default=list(TABLES), choices=list(TABLES), help="only these devices")
    parser.add_argument("--quantize", action="store_true", help="judge files for the Edge TPU by quantized ones")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the table between the marks of this page")
    arguments = parser.parse_args()
    found: dict[str, dict[str, Measured]] = {}
    failed = False
    for path in sorted(arguments.models.glob("*.onnx")):
        if arguments.only and path.stem not in arguments.only:
            continue
        for target in arguments.target:
            try:
                one = measure(path, target, quantize=arguments.quantize)
            except nchw2nhwc.ConversionError as error:
                print(f"{path.stem} {target}: skipped, {error.reason}", flush=True)
                continue
            found.setdefault(path.stem, {})[target] = one
            failed |= not one.passed
            print(f"{path.stem} {target}: {one.left[0]} of {one.ops[0]} before, {one.left[1]} of {one.ops[1]} after, error {one.error:.1e}"
                  f"{'' if one.passed else ' FAILED'}", flush=True)
    if arguments.markdown and found:
        text = arguments.markdown.read_text(encoding="utf-8")
        head, rest = text.split(BEGIN, 1)
        table = markdown(found, arguments.target)
        arguments.markdown.write_text(f"{head}{BEGIN}\n\n{table}\n\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main())
