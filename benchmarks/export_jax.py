"""Exports what jax2onnx is tested with: python export_jax.py DIR [--only WORD...]

Runs in an environment of its own: `pip install jax2onnx flax equinox`. jax2onnx carries cases for every primitive of JAX and for layers and
networks of Flax and Equinox, channels-last as JAX has them, with open batches where that is what is tested. Each becomes an ONNX file, with
the inputs that the case names in an .npz file beside it. Cases of complex numbers, of doubles and of errors are left out, and so is what
the exporter does not write, with the reason. Existing files are kept. Exit status: 0 when something was written or is there, else 1.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from jax2onnx import to_onnx
from jax2onnx.plugins import plugin_system

SKIPPED = ("enable_double_precision", "expected_exception", "skip_numeric_validation")
"""Settings of cases that compare nothing, or nothing in float32."""


def cases() -> Iterator[Mapping[str, Any]]:
    """Those of all primitives, then those of the examples."""
    plugin_system.import_all_plugins()
    for entry in (*plugin_system.PLUGIN_REGISTRY.values(), *plugin_system.EXAMPLE_REGISTRY.values()):
        known = entry if isinstance(entry, dict) else getattr(entry, "metadata", {})
        yield from known.get("testcases", ())


def specifications(case: Mapping[str, Any]) -> list[Any]:
    """What the exporter is to take: shapes, of which an open size has a name, and element types."""
    if "input_values" in case:
        return [jax.ShapeDtypeStruct(np.shape(value), np.asarray(value).dtype) for value in case["input_values"]]
    shapes = case.get("input_shapes", [])
    types = case.get("input_dtypes") or [jnp.float32] * len(shapes)
    return [jax.ShapeDtypeStruct(shape, dtype) if all(isinstance(size, int) for size in shape) else shape
            for shape, dtype in zip(shapes, types)]


def export(case: Mapping[str, Any], file: Path) -> str:
    """Write one case; the reason why not, else ""."""
    try:
        made = case["callable"]
        made = made.with_dtype(jnp.float32) if hasattr(made, "with_dtype") else made
        made = made.instantiate() if hasattr(made, "instantiate") else made
        model = to_onnx(made, specifications(case), input_params=case.get("input_params"), model_name=file.stem)
    except Exception as error:  # noqa: BLE001  whatever an exporter of another project raises is its answer
        return f"{type(error).__name__}: {error}".splitlines()[0]
    names, values = [value.name for value in model.graph.input], [np.asarray(value) for value in case.get("input_values", ())]
    if any(value.dtype.kind == "c" for value in values):
        return "complex numbers"
    onnx.save(model, file)
    if values and len(names) == len(values):
        np.savez(file.with_suffix(".npz"), **dict(zip(names, values)))
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    parser = argparse.ArgumentParser("export_jax.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder for the files; made if it is not there")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="only cases whose name holds one of these")
    given = parser.parse_args(argv)
    given.folder.mkdir(parents=True, exist_ok=True)
    there = 0
    for case in cases():
        name = re.sub(r"\W", "_", case["testcase"])
        file = given.folder / f"{name}.onnx"
        if any(case.get(setting) for setting in SKIPPED) or (given.only and not any(word in name for word in given.only)):
            continue
        reason = "" if file.exists() else export(case, file)
        there += not reason
        if reason:
            print(f"{name} is left out: {reason[:120]}", flush=True)
    print(f"{there} files")
    return 0 if there else 1


if __name__ == "__main__":
    sys.exit(main())
