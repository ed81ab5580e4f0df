"""openvino2tf bisect MODEL: the first stage and op with which the result differs from its source."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from nchw2nhwc.cli_arguments import add_flags, add_model, chosen, new_parser, read_flags
from nchw2nhwc.commands import ABOVE_TOLERANCE, Prepared
from nchw2nhwc.commands.options import BisectOptions
from nchw2nhwc.options import ConvertOptions

if TYPE_CHECKING:
    from nchw2nhwc.debug.bisect import Bisection, Finding

_DESCRIPTION = ("Convert a model, find the first stage of the conversion and the op with which the result differs from it, and write that "
                "op as a fixture.")
_EPILOG = "exit status: 0 both agree; 2 an error; 3 a difference, or a result that cannot be made or loaded"
_STAGES = {"read": "the parsed graph is wrong already", "layout": "the graph is wrong once layouts are decided",
           "emit": "the graph is right, what the file's operators compute is not", "load": "LiteRT does not take the result",
           "convert": "the model cannot be converted", "XNNPACK": "the file's operators are right, with XNNPACK they are not"}


def prepare(argv: Sequence[str]) -> Prepared:
    """Read the arguments."""
    parser = new_parser("openvino2tf bisect", "MODEL [-o DIR] [options]", _DESCRIPTION, _EPILOG)
    add_model(parser)
    add_flags(parser.add_argument_group("conversion"), ConvertOptions, without=("inputs",))
    add_flags(parser.add_argument_group("options"), BisectOptions)
    given = vars(read_flags(parser, argv))
    model, convert, options = given.pop("model"), chosen(ConvertOptions, given), chosen(BisectOptions, given)
    return Prepared(lambda: _run(model, convert, options))


def _run(model: Path, convert: ConvertOptions, options: BisectOptions) -> int:
    from nchw2nhwc.checking.inputs import load_inputs
    from nchw2nhwc.commands.fixture import folder_name
    from nchw2nhwc.debug.bisect import bisect
    from nchw2nhwc.files import write_file
    from nchw2nhwc.source import identify

    source = identify(model, convert.bin)
    data = load_inputs(options.check_inputs) if options.check_inputs else None
    folder = options.output_dir or Path(folder_name(source.stem, "culprit"))
    found = bisect(source, convert, inputs=data, ranges=options.input_range, tolerance=options.tolerance, folder=folder)
    if options.json:
        write_file(options.json, found.to_json(), (*source.files, *filter(None, [options.check_inputs])))
    if not options.quiet:
        _print(found, sys.stdout, layers=options.layers)
    return 0 if found.passed else ABOVE_TOLERANCE


def _print(found: Bisection, stream: TextIO, *, layers: bool) -> None:
    """What was found, in words."""
    from nchw2nhwc.commands.tables import layer_rows, output_rows

    if found.outputs:
        print(*output_rows(found.outputs), sep="\n", file=stream)
    if layers and found.layers is not None:
        print(*layer_rows(found.layers), sep="\n", file=stream)
    if found.outputs or (layers and found.layers is not None):
        print(file=stream)
    if found.rankings is not None:
        print(f"the result {found.rankings}\n", file=stream)
    if found.rounding is not None:
        print(f"the result {found.rounding.of(found.relative, found.tolerance)}\n", file=stream)
    print(_verdict(found), file=stream)
    if found.finding is not None:
        print(*_finding(found.finding), sep="\n", file=stream)
    if found.fixture is not None:
        alone = "shows it alone" if found.reproduced else "holds its layers, but does not show it alone"
        print(f"fixture: {found.fixture} {alone} (openvino2tf fixture run {found.fixture})", file=stream)


def _verdict(found: Bisection) -> str:
    if found.finding is not None and not found.outputs:
        return "there is no result that could be compared"
    if found.finding is not None:
        return "the result agrees, but a tensor inside does not" if found.passed else "the result differs from its source"
    if found.passed:
        return "source and result agree"
    return "the result differs from its source, but no single op is to blame: the error grows little by little"


def _finding(finding: Finding) -> list[str]:
    stage = _STAGES.get(finding.stage, f"the graph is wrong after the pass '{finding.stage}'")
    if finding.reason and finding.stage == "read":
        stage = "the model cannot be read"
    layer = f"{finding.type} '{finding.layer}'" if finding.layer else finding.type
    lines = [f"stage:   {finding.stage} ({stage})", f"layer:   {layer}"]
    if finding.op:
        lines.append(f"op:      {finding.op}")
    if finding.tensor:
        lines.append(f"tensor:  {finding.tensor}")
    if finding.error is not None:
        lines.append(f"error:   {finding.error.max_rel:.1e} relative, {finding.error.max_abs:.1e} absolute")
    return [*lines, *([f"reason:  {finding.reason}"] if finding.reason else [])]
