"""What LiteRT's kernels take: element types and ranks per operator, found by running one-operator files with and without XNNPACK.

`python benchmarks/kernel_limits.py` writes `nchw2nhwc/emit/tflite/kernels.py`; `--show CODE` prints every single result for one operator.
A type or rank counts only if both runs give numpy's result. Each operator is tried in a process of its own, because some kernels abort.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from kernel_cases import DTYPES, MAKERS, Case, cases

from nchw2nhwc.emit.tflite.model import Blob, Model, Operator, Subgraph, Tensor
from nchw2nhwc.emit.tflite.writer import FlatBuffer

TARGET = Path(__file__).parents[1] / "nchw2nhwc" / "emit" / "tflite" / "kernels.py"


def file_of(case: Case, number: int) -> bytes:
    """The case as a file, with its operator in this version."""
    tensors = [Tensor(f"in{k}", x.dtype, x.shape) for k, x in enumerate(case.inputs)]
    tensors += [Tensor(f"const{k}", x.dtype, x.shape, buffer=k + 1) for k, x in enumerate(case.consts)]
    tensors += [Tensor(f"out{k}", x.dtype, x.shape) for k, x in enumerate(case.expected)]
    n, m = len(case.inputs), len(case.inputs) + len(case.consts)
    ins, outs = tuple(range(n)), tuple(range(m, len(tensors)))
    operands = tuple(range(m)) if case.order is None else case.order
    operator = Operator(case.code, number, operands, outs, case.options)
    graph = Subgraph("main", tensors, [operator], list(ins), list(outs), [f"in{k}" for k in ins], [f"out{k - m}" for k in outs])
    return FlatBuffer(Model([graph], [Blob(x, x.dtype) for x in case.consts])).tobytes()


def result(case: Case, number: int, xnnpack: bool) -> str:
    """"ok", "WRONG" or what LiteRT says against it."""
    kind = OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter = Interpreter(model_content=file_of(case, number), experimental_op_resolver_type=kind)
        interpreter.allocate_tensors()
        for detail, x in zip(interpreter.get_input_details(), case.inputs):
            interpreter.set_tensor(detail["index"], x)
        interpreter.invoke()
        actual = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    except (ValueError, RuntimeError) as error:
        return str(error).splitlines()[0][-90:]
    for got, want in zip(actual, case.expected):
        if got.shape != want.shape or not np.allclose(got, want.astype(got.dtype), rtol=case.tolerance, atol=case.tolerance):
            return "WRONG"
    return "ok"


def run_child(code: str, skip: frozenset[str]) -> None:
    """Print `type, rank, result with XNNPACK, result without` for every case; the first two before it runs."""
    number = 5 if code == "CAST" else MAKERS[code][1]
    for dtype, rank, case in cases(code):
        if dtype not in skip:
            print(dtype, rank, sep="\t", end="", flush=True)
            print("", *(result(case, number, flag) for flag in (True, False)), sep="\t", flush=True)


def probe(code: str) -> list[tuple[str, int, str, str]]:
    """Every result for one operator; a type whose case kills the process is an "abort"."""
    skip: set[str] = set()
    while True:
        command = [sys.executable, __file__, "--child", code, "--skip", ",".join(sorted(skip))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        if not done.returncode:
            return [(r[0], int(r[1]), r[2], r[3]) for r in rows] + [(dtype, 0, "abort", "abort") for dtype in sorted(skip)]
        if not rows or len(rows[-1]) != 2:
            raise SystemExit(f"{code}: {done.stderr}")
        skip.add(rows[-1][0])


def table(found: list[tuple[str, int, str, str]]) -> tuple[list[str], int]:
    """Types that work at some rank, and the highest rank up to which all of these work. A cast works if it does from and to a type."""
    if found and ">" in found[0][0]:
        bad = {name for pair, _, *results in found if results != ["ok", "ok"] for name in pair.split(">")}
        return [t.name for t in DTYPES if t.name not in bad], 8
    good: dict[str, list[int]] = {}
    for dtype, rank, fast, plain in found:
        if (fast, plain) == ("ok", "ok"):
            good.setdefault(dtype, []).append(rank)
    return list(good), min((max(ranks) for ranks in good.values()), default=0)


def write() -> None:
    """Probe every operator and write the table."""
    rows = []
    for code in sorted({*MAKERS, "CAST"}):
        types, rank = table(probe(code))
        rows.append(f"    {code!r}: Kernel({' '.join(types)!r}, {rank}),".replace("'", '"'))
    TARGET.write_text(HEADER.format(version=version("ai-edge-litert")) + "\n".join(rows) + "\n}\n")


HEADER = '''"""What the kernels of LiteRT {version} take. Written by `benchmarks/kernel_limits.py`; do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kernel:
    """Element types (space-separated) and the highest rank that give the right result with XNNPACK and without.

    The rank is that of the hardest form: broadcasting, reducing, cutting or moving every other axis.
    """

    types: str
    rank: int


KERNELS: Mapping[str, Kernel] = {{
'''


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", metavar="CODE")
    parser.add_argument("--child", metavar="CODE", help=argparse.SUPPRESS)
    parser.add_argument("--skip", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run_child(arguments.child, frozenset(arguments.skip.split(",")))
    elif arguments.show:
        for row in probe(arguments.show):
            print(*row, sep="\t")
    else:
        write()


if __name__ == "__main__":
    main()
