"""openvino2tf inspect MODEL: what a model holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nchw2nhwc.cli_arguments import add_flags, add_model, chosen, new_parser, read_flags
from nchw2nhwc.commands import Prepared
from nchw2nhwc.commands.options import InspectOptions
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.tables import aligned

if TYPE_CHECKING:
    from nchw2nhwc.debug.inspect import Inspection

_DESCRIPTION = "Show what a model holds: its inputs and outputs, ops, parameters, and what its conversion would leave of its transposes."
_EPILOG = "exit status: 0, also for a model that holds ops which are not supported; 2 an error"


def prepare(argv: Sequence[str]) -> Prepared:
    """Read the arguments."""
    parser = new_parser("openvino2tf inspect", "MODEL [options]", _DESCRIPTION, _EPILOG)
    add_model(parser)
    add_flags(parser.add_argument_group("conversion"), ConvertOptions)
    add_flags(parser.add_argument_group("options"), InspectOptions)
    given = vars(read_flags(parser, argv))
    model, convert, options = given.pop("model"), chosen(ConvertOptions, given), chosen(InspectOptions, given)
    return Prepared(lambda: _run(model, convert, options))


def _run(model: Path, convert: ConvertOptions, options: InspectOptions) -> int:
    from nchw2nhwc.debug.inspect import inspect
    from nchw2nhwc.files import write_file
    from nchw2nhwc.source import identify

    found = inspect(model, convert)
    if options.json:
        write_file(options.json, found.to_json(), identify(model, convert.bin).files)
    if not options.quiet:
        print(*_lines(found), sep="\n")
        sys.stdout.flush()
    return 0


def _lines(found: Inspection) -> list[str]:
    tensors = [(kind, t.name, f"[{', '.join(map(str, t.shape))}]", t.dtype)
               for kind, listed in (("input", found.inputs), ("output", found.outputs or ())) for t in listed]
    facts = [("format", found.format), ("ops", str(sum(found.ops.values()))), ("parameters", f"{found.parameters:,}"),
             ("MACs", _macs(found)), ("transposes", _transposes(found)),
             ("dynamic", ", ".join(found.dynamic) or "nothing")]
    missing = [f"  {m.type}: {m.count} ({', '.join((*m.layers, *('...',) * (m.count > len(m.layers))))})" for m in found.unsupported]
    return [*aligned(tensors), "", *aligned(facts), *(["", "not supported:", *missing] if missing else []), "",
            *aligned([("op", "count"), *((op, str(count)) for op, count in found.ops.items())])]


def _macs(found: Inspection) -> str:
    if found.macs is None:
        return "unknown"
    return f"{found.macs:,}" + (f" with {' = '.join((*found.dynamic, '1'))}; --input-shape sets sizes" if found.dynamic else "")


def _transposes(found: Inspection) -> str:
    if found.transposes is None:
        return f"unknown: {found.reason}"
    sure = "proven minimal" if found.transposes.proven_minimal else "not proven minimal"
    return f"{found.transposes.source} in the source, {found.transposes.result} in the result ({sure})"
