"""Measures what becomes of models that are quantized already; see README.md beside it.

python benchmarks/quantized_sources.py --models DIR [--omz DIR] [--files FILE...] [--json FILE] [--markdown FILE]

Networks are quantized by ONNX Runtime's own quantizer, in several ways; those of Intel's Open Model Zoo, and files that other tools have
quantized (NNCF, quantization-aware training), are taken as they are. Each is converted, and compared with the integers of its source's
runtime. Exit status: 0 when all pass, 1 when something fails or nothing was measured, 2 for a bad command line.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from measure.machine import describe_machine
from measure.quantized import LEAST, NETWORKS, WAYS, QuantizedRow, find_networks, find_omz, measure, quantize
from measure.table import Column, markdown_table, number, text_header, text_row, write

from nchw2nhwc import OptionError

COLUMNS = (
    Column[QuantizedRow]("network", 50, lambda row: row.network),
    Column[QuantizedRow]("XNNPACK", 7, lambda row: number(row.xnnpack, ".1f")),
    Column[QuantizedRow]("plain", 7, lambda row: number(row.plain, ".1f")),
    Column[QuantizedRow]("as written: XNNPACK", 19, lambda row: number(row.written, ".1f")),
    Column[QuantizedRow]("plain", 7, lambda row: number(row.written_plain, ".1f")),
    Column[QuantizedRow]("source", 7, lambda row: number(row.source, ".1f")),
    Column[QuantizedRow]("kernels", 7, lambda row: number(row.kernels, ".1f")),
    Column[QuantizedRow]("convolutions", 12, lambda row: f"{row.convolutions[0]} of {row.convolutions[1]}"),
    Column[QuantizedRow]("products", 9, lambda row: f"{row.products[0]} of {row.products[1]}"),
    Column[QuantizedRow]("MB", 6, lambda row: f"{row.megabytes:.1f}"),
    Column[QuantizedRow]("", 4, lambda row: "FAIL" if row.failure else "PASS"),
)


def rows(args: argparse.Namespace, scratch: Path) -> Iterator[QuantizedRow]:
    """Every network in every way, one after the other."""
    for name, model in find_networks(args.models):
        for way in WAYS:
            title = f"{name}, {way.name}"
            if not args.only or any(word in title for word in args.only):
                yield from measured(title, quantize(model, way, scratch), args)
    for model in find_omz(args.omz):
        if not args.only or any(word in model.stem for word in args.only):
            yield from measured(model.stem, model, args)
    for model in args.files:
        yield from measured(model.name, model, args)


def measured(title: str, model: Path, args: argparse.Namespace) -> Iterator[QuantizedRow]:
    """The row of a model, and where it is farther from the source's runtime than passes that of the file which is made to be nearer."""
    row = measure(title, model, args.samples)
    yield row
    if args.auto_mixed is not None and row.xnnpack < LEAST:
        try:
            yield measure(f"{title}, --auto-mixed {args.auto_mixed:g}", model, args.samples, args.auto_mixed)
        except OptionError as error:
            print(f"    {error}")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser("quantized_sources.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, metavar="DIR", help=f"hydrated zoo models: {', '.join(NETWORKS)} are quantized")
    parser.add_argument("--omz", type=Path, metavar="DIR", help="Open Model Zoo files: *FP16-INT8.xml")
    parser.add_argument("--files", type=Path, nargs="+", default=[], metavar="FILE", help="quantized models (.onnx, .xml), as they are")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only networks whose name holds one of these")
    parser.add_argument("--auto-mixed", type=float, metavar="DB",
                        help=f"what is farther than {LEAST:g} dB from the source's runtime also with --quantize source --auto-mixed DB")
    parser.add_argument("--samples", type=int, default=4, metavar="N", help="inputs that SQNR is computed over (default 4)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown")
    args = parser.parse_args(argv)
    if args.samples < 1:
        parser.error("--samples is at least 1")
    print(*describe_machine(), "", text_header(COLUMNS), sep="\n")
    found: list[QuantizedRow] = []
    with tempfile.TemporaryDirectory() as scratch:
        for row in rows(args, Path(scratch)):
            found.append(row)
            print(text_row(COLUMNS, row), *(f"    {line}" for line in (*row.failure, *row.float, *row.remarks)), sep="\n", flush=True)
    if args.json:
        plain = [{key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in asdict(row).items()} for row in found]
        write(args.json, json.dumps(plain, indent=2) + "\n")
    if args.markdown:
        write(args.markdown, markdown_table(COLUMNS, found) + "\n")
    failed = sum(bool(row.failure) for row in found)
    print(f"\n{len(found) - failed} of {len(found)} pass" if found else "\nnothing was measured")
    return 0 if found and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
