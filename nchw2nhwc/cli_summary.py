"""The summary of a conversion: a table on a terminal, aligned text elsewhere."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from nchw2nhwc.checking import CheckResult
from nchw2nhwc.converted import Converted
from nchw2nhwc.interface import layout_name, size_rules
from nchw2nhwc.options.quantize import PLAIN
from nchw2nhwc.quantize.accuracy import Accuracy
from nchw2nhwc.report import QuantizedReport, TargetReport, TransposesReport
from nchw2nhwc.tables import aligned
from nchw2nhwc.targets import TABLES
from nchw2nhwc.wording import RANDOM_INPUTS, counted

_HEADER = ("", "name", "source", "result", "layout", "type", "error")
_FOLDED = ("name", "layout")
"""Columns that take several lines where the terminal is narrow."""


def print_summary(converted: Converted, stream: TextIO, *, skipped: str = "", random_inputs: bool = True, random_ranges: bool = False,
                  explain: bool = False) -> None:
    """Print what came out. `skipped` says why there was no check, `random_inputs` what it was done with, `random_ranges` that the ranges of
    quantized tensors are those of random numbers; `explain` adds a line for every transpose."""
    facts = _facts(converted, skipped, random_inputs, random_ranges)
    if stream.isatty():
        _print_rich(converted, stream, facts, explain)
        return
    explanations = _explanations(converted) if explain else []
    print(*aligned([_HEADER, *_interface(converted)]), "", *aligned(facts), *explanations, sep="\n", file=stream)
    stream.flush()


def _print_rich(converted: Converted, stream: TextIO, facts: Sequence[tuple[str, str]], explain: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    interface = Table(*_HEADER, box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in interface.columns:
        column.no_wrap = column.header not in _FOLDED
    for row in _interface(converted):
        interface.add_row(*map(Text, row))
    console.print(interface, end="\n\n")
    rest = Table.grid(padding=(0, 2))
    for name, text in facts:
        rest.add_row(Text(name, "bold"), Text(text, "bold red" if "FAILED" in text else "green" if name == "check" else ""))
    console.print(rest)
    for line in _explanations(converted) if explain else ():
        console.print(Text(line))


def _interface(converted: Converted) -> list[Sequence[str]]:
    """A row for every input and output."""
    checks = converted.checks.get("float32", converted.checks.get("keras"))
    errors = checks.outputs if checks is not None else {}
    rows = [(kind, info.name, _shape(info.source_shape), _shape(info.shape), layout_name(info), info.dtype.name,
             f"{errors[info.name]:.1e}" if kind == "output" and info.name in errors else "")
            for kind, infos in (("input", converted.inputs), ("output", converted.outputs)) for info in infos]
    return list(rows)


def _shape(sizes: Sequence[int]) -> str:
    return f"[{', '.join('?' if s < 0 else str(s) for s in sizes)}]"


def _facts(converted: Converted, skipped: str, random_inputs: bool, random_ranges: bool) -> list[tuple[str, str]]:
    """Name and text of every other line."""
    report = converted.report
    raw = [(info.name, str(info.preprocessing)) for info in converted.inputs if info.preprocessing is not None]
    facts = [("preprocessing", "; ".join(f"{name}: {formula}" for name, formula in raw))] if raw else []
    facts += [("random", f"'{info.name}' stands for numbers that the model draws: {info.draw}")
              for info in converted.inputs if info.draw is not None]
    facts += [("outputs" if not k else "", text) for k, text in enumerate(converted.graph.other_outputs)]
    facts += [("ops", f"{report['ops']['source']} in the source, {report['ops']['result']} in the result"),
             ("transposes", _transposes(report["transposes"])),
             *_target(report["target"]),
             *_quantized(report["quantized"]),
             *(("sizes" if not k else "", rule) for k, rule in enumerate([*converted.graph.fixed_sizes, *size_rules(converted.inputs)])),
             *(_checked(converted.checks, random_inputs) if converted.checks else [("check", f"skipped: {skipped}")])]
    facts += [fact for mode, each in converted.accuracy.items() for fact in _quantization(mode, each)]
    if random_ranges:
        facts.append(("", "Calibrated with random numbers: ranges, and so these files, say nothing about real data."))
    facts += [("file", f"{Path(file['path'])} ({size_text(file['bytes'])})") for file in report["files"].values()]
    facts.append(("seconds", ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in report["seconds"].items())))
    return facts


def _transposes(moves: TransposesReport) -> str:
    """How many the layout leaves, what they move, and whether fewer are impossible."""
    sure = "proven minimal" if moves["proven_minimal"] else f"gap {moves['gap']:.1%}" if moves["gap"] else "not proven minimal"
    moved = f" moving {size_text(moves['bytes'])}" if moves["count"] else ""
    absorbed = f", {moves['operators']} as operators of their own" if moves["operators"] < moves["count"] else ""
    return f"{moves['count']}{moved} ({sure}){absorbed}"


def _checked(checks: Mapping[str, CheckResult], random_inputs: bool) -> list[tuple[str, str]]:
    """The outcome of the check, what it excuses, and what it cannot tell."""
    facts = [("check", _check(checks))]
    facts += [("", f"{kind} {result.rankings}") for kind, result in checks.items() if result.rankings is not None]
    facts += [("", f"{kind} {result.rounding.of(result.outputs, result.tolerance)}") for kind, result in checks.items()
              if result.rounding is not None]
    uniform = list(dict.fromkeys(name for result in checks.values() for name in result.uniform))
    if uniform:
        facts.append(("", f"{', '.join(uniform)}: one number throughout in the source, which says nothing about the layers before it."))
    if any(not result.passed for result in checks.values()) and random_inputs:
        facts.append(("", RANDOM_INPUTS))
    return facts


def _target(report: TargetReport | None) -> list[tuple[str, str]]:
    """What the device does not run: how many operators, and of what kinds."""
    if report is None:
        return []
    found, table = report["fallbacks"], TABLES[report["name"]]
    operators = f"{report['ops']} operators" + (f" of {report['file']}" if report["file"] != PLAIN else "")
    if not found:
        return [("target", f"{report['name']} runs all {operators}")]
    kinds = ", ".join(f"{count} {op}" for op, count in Counter(each["op"] for each in found).most_common())
    return [("target", f"{report['name']} does not run {len(found)} of {operators}: {kinds}"),
            ("", f"What it does not run {table.without}; --report FILE.json and --verbose have each with its reason.")]


def _check(checks: Mapping[str, CheckResult]) -> str:
    """The outcome for each file that was checked."""
    parts = []
    for kind, result in checks.items():
        worst = f"{result.max_rel_error:.1e}" if math.isfinite(result.max_rel_error) else "not finite (NaN, infinity or shape)"
        noise = f", SQNR {result.least_sqnr:.1f} dB (or {result.min_sqnr:g} needed)" if result.min_sqnr is not None else ""
        parts.append(f"{kind} {'passed' if result.passed else 'FAILED'}, worst error {worst} ({result.tolerance:g} allowed){noise}")
    return "; ".join(parts)


def _quantized(found: QuantizedReport | None) -> list[tuple[str, str]]:
    """How much of a quantized source integer kernels compute, and what they do not."""
    if found is None:
        return []
    counts = _with_integers((found["integer_convolutions"], found["convolutions"]), (found["integer_products"], found["products"]))
    rows = [("quantized", f"{counts or found['integer_ops']} compute with integers, as in the source")]
    rows += [("", f"in float on quantized operands: {counted(len(found['float']), 'layer')}; --verbose and the report say why")] \
        if found["float"] else []
    rows += [("", f"{counted(len(found['remarks']), 'remark')} on other differences, there as well")] if found["remarks"] else []
    return rows


def _with_integers(convolutions: tuple[int, int], products: tuple[int, int]) -> str:
    """How many of each kind of layer compute with integers, each with how many there are; "" if there are none of either."""
    counts = [f"{convolutions[0]} of {convolutions[1]} convolutions"] if convolutions[1] else []
    return " and ".join([*counts, *([f"{products[0]} of {products[1]} products of matrices"] if products[1] else [])])


def _quantization(mode: str, accuracy: Accuracy) -> list[tuple[str, str]]:
    """How far a quantized file is from the source, and where that comes from."""
    outputs = accuracy.outputs.values()
    parts = [f"SQNR {accuracy.sqnr:.1f} dB ({accuracy.min_sqnr:g} needed)", f"cosine {min((o.cosine for o in outputs), default=1.0):.6f}"]
    tops = [o for o in outputs if o.top1 is not None and o.top5 is not None]
    if tops:
        parts.append(f"top-1 agreement {min(o.top1 or 0.0 for o in tops):.2%}, top-5 {min(o.top5 or 0.0 for o in tops):.2%}")
    parts.append(f"{counted(accuracy.samples, 'sample')}, {accuracy.data}")
    facts = [("quantized", f"{mode} {'passed' if accuracy.passed else 'FAILED'}, {', '.join(parts)}")]
    if accuracy.integers is not None:
        facts.append(("", f"{_with_integers(accuracy.integers.convolutions, accuracy.integers.products)} compute with integers"))
    if accuracy.kept:
        facts.append(("", f"kept for that: {', '.join(accuracy.kept)}"))
    worst = accuracy.worst(3)
    if worst:
        facts.append(("", f"loses most in {', '.join(f'{w.layer or w.tensor} ({w.type}, {w.own:.1f} dB)' for w in worst)}"))
    return facts


def _explanations(converted: Converted) -> list[str]:
    moves = converted.layout.transposes
    if not moves:
        return ["no transposes are left"]
    return [f"transpose {k} ({size_text(move.bytes)}): {move.explanation}" for k, move in enumerate(moves, 1)]


def size_text(size: int) -> str:
    """A number of bytes for people: 512 B, 34.1 kB, 5.2 MB (powers of 1000)."""
    if size < 1000:
        return f"{size} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000  # type: ignore[assignment]
        if size < 1000 or unit == "GB":
            return f"{size:.1f} {unit}"
    raise AssertionError
