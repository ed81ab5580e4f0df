"""openvino2tf check MODEL RESULT: compare an earlier result with its source."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from nchw2nhwc.cli_arguments import add_flags, add_model, chosen, new_parser, read_flags
from nchw2nhwc.commands import ABOVE_TOLERANCE, Prepared
from nchw2nhwc.commands.options import CheckOptions

_DESCRIPTION = "Compare an earlier result with the model that it was made from, through the layouts that the result declares."
_EPILOG = "exit status: 0 both agree; 2 an error; 3 an error above tolerance"


def prepare(argv: Sequence[str]) -> Prepared:
    """Read the arguments."""
    parser = new_parser("openvino2tf check", "MODEL RESULT [options]", _DESCRIPTION, _EPILOG)
    add_model(parser)
    parser.add_argument("result", type=Path, metavar="RESULT",
                        help="what openvino2tf has written: a .tflite, .keras or .h5 file or the folder of a SavedModel")
    add_flags(parser.add_argument_group("options"), CheckOptions)
    given = vars(read_flags(parser, argv))
    model, result = given.pop("model"), given.pop("result")
    options = chosen(CheckOptions, given)
    return Prepared(lambda: _run(model, result, options))


def _run(model: Path, result: Path, options: CheckOptions) -> int:
    from nchw2nhwc.checking.inputs import load_inputs
    from nchw2nhwc.commands.tables import print_comparison
    from nchw2nhwc.debug.check import check
    from nchw2nhwc.files import write_file
    from nchw2nhwc.source import identify

    data = load_inputs(options.check_inputs) if options.check_inputs else None
    found = check(model, result, bin=options.bin, inputs=data, samples=options.samples, input_range=options.input_range,
                  tolerance=options.tolerance, layers=options.layers)
    if options.json:
        write_file(options.json, found.to_json(), (*identify(model, options.bin).files, result, *filter(None, [options.check_inputs])))
    if not options.quiet:
        print_comparison(found, sys.stdout, random_inputs=data is None)
    return 0 if found.passed else ABOVE_TOLERANCE
