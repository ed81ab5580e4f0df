"""openvino2tf fixture MODEL --layer NAME: one op, or a region, as a folder; openvino2tf fixture run DIR...: converts and compares."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from nchw2nhwc.cli_arguments import add_flags, add_model, chosen, new_parser, read_flags
from nchw2nhwc.commands import ABOVE_TOLERANCE, ERROR, Prepared
from nchw2nhwc.commands.options import FixtureOptions, FixtureRunOptions
from nchw2nhwc.errors import ConversionError

_DESCRIPTION = ("Cut one op, or the layers from one to another, out of a model, with the operands that it really gets and what the "
                "source's runtime makes of them. 'openvino2tf fixture run DIR...' converts such folders and compares.")
_EPILOG = "exit status: 0 written; 2 an error, nothing was written"
_RUN_DESCRIPTION = "Convert fixtures to TFLite, and to Keras where TensorFlow is installed, and compare with what their sources compute."
_RUN_EPILOG = "exit status: 0 all agree; 2 one cannot be converted or run; 3 one is off by more than is allowed"


def prepare(argv: Sequence[str]) -> Prepared:
    """Read the arguments of either form."""
    if argv and argv[0] == "run":
        return _prepare_run(argv[1:])
    parser = new_parser("openvino2tf fixture", "MODEL --layer NAME [-o DIR] [options]", _DESCRIPTION, _EPILOG)
    add_model(parser)
    add_flags(parser.add_argument_group("options"), FixtureOptions)
    given = vars(read_flags(parser, argv))
    model = given.pop("model")
    options = chosen(FixtureOptions, given)
    return Prepared(lambda: _write(model, options))


def _prepare_run(argv: Sequence[str]) -> Prepared:
    parser = new_parser("openvino2tf fixture run", "DIR... [options]", _RUN_DESCRIPTION, _RUN_EPILOG)
    parser.add_argument("folders", type=Path, metavar="DIR", nargs="+", help="a folder that 'openvino2tf fixture' has written")
    add_flags(parser.add_argument_group("options"), FixtureRunOptions)
    given = vars(read_flags(parser, argv))
    folders = given.pop("folders")
    options = chosen(FixtureRunOptions, given)
    return Prepared(lambda: _run(folders, options))


def _write(model: Path, options: FixtureOptions) -> int:
    from nchw2nhwc.checking.inputs import load_inputs
    from nchw2nhwc.debug.data import source_data
    from nchw2nhwc.debug.fixture import Region, cut_fixture, save_fixture
    from nchw2nhwc.options import ConvertOptions
    from nchw2nhwc.source import identify

    source = identify(model, options.bin)
    reading = ConvertOptions(bin=options.bin, input_shape=options.input_shape, batch=options.batch)
    given = load_inputs(options.check_inputs) if options.check_inputs else None
    inputs, data = source_data(source, reading, given, options.input_range)
    region = Region(options.first, options.last)
    fixture = cut_fixture(source, region, inputs, data)
    folder = options.output_dir or Path(folder_name(source.stem, options.last))
    save_fixture(fixture, folder, (*source.files, *filter(None, [options.check_inputs])))
    print(folder)
    return 0


def folder_name(stem: str, layer: str) -> str:
    """What a fixture's folder is called unless a name is given."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", f"{stem}_{layer}").strip("._")


def _run(folders: Sequence[Path], options: FixtureRunOptions) -> int:
    """A line for each folder and target; the status of the one that is worst."""
    from nchw2nhwc.debug.fixture import run_fixture

    status = 0
    for folder in folders:
        try:
            outcomes = run_fixture(folder, options.to or None, options.tolerance)
        except ConversionError as error:
            print(f"{folder}: error: {str(error).removeprefix(f'{folder}: ')}", file=sys.stderr)
            status = ERROR
            continue
        for outcome in outcomes:
            if not outcome.passed and not status:
                status = ABOVE_TOLERANCE
            print(f"{folder}: {outcome.target} {'passed' if outcome.passed else 'FAILED'}, worst error {outcome.max_rel_error:.1e} "
                  f"({outcome.tolerance:g} allowed)" + (f", SQNR {outcome.sqnr:.1f} dB" if outcome.min_sqnr is not None else ""))
    return status
