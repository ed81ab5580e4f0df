"""What the command lines of `zoo.py` and `keras_models.py` have in common."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path


def common_parser(name: str, description: str, sets: Mapping[str, str], wheels: str) -> argparse.ArgumentParser:
    """A parser with the options that both have: where models are (`wheels` says which ones are unpacked there), which are measured, what is
    written."""
    parser = argparse.ArgumentParser(name, description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="sets: " + "; ".join(f"{name}: {text}" for name, text in sets.items()))
    parser.add_argument("--models", type=Path, metavar="DIR", help="hydrated zoo models (*.onnx, ir10/*.xml)")
    parser.add_argument("--omz", type=Path, metavar="DIR", help="Open Model Zoo files")
    parser.add_argument("--wheels", type=Path, metavar="DIR", help=f"unpacked {wheels}")
    parser.add_argument("--peer", type=Path, metavar="PYTHON", help="the Python of an environment with onnx2tf, to run side by side")
    parser.add_argument("--set", nargs="+", default=list(sets), choices=sets, dest="sets", metavar="SET", help="only these sets")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these networks")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="timed conversions of each network (default 3; 0: none)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="for files made on the way (default: a temporary folder)")
    return parser
