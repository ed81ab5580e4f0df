"""openvino2tf scaffold MODEL --layer NAME: the beginning of support for an operator, in a checkout of the repository."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nchw2nhwc.cli_arguments import add_flags, add_model, chosen, new_parser, read_flags
from nchw2nhwc.commands import Prepared
from nchw2nhwc.commands.options import ScaffoldOptions
from nchw2nhwc.errors import CheckError, Location, OptionError

if TYPE_CHECKING:
    from nchw2nhwc.debug.fixture import Fixture
    from nchw2nhwc.debug.scaffold import Plan, Scaffold
    from nchw2nhwc.source import Source

_DESCRIPTION = ("Begin support for an operator that has none, in a clone of the repository: its mapping with the operator's signature, a "
                "fixture cut out of the model and, with --op-class, an op of its own. What is left to write is printed, with its place.")
_EPILOG = "exit status: 0 written; 2 an error, nothing was written"


def prepare(argv: Sequence[str]) -> Prepared:
    """Read the arguments."""
    parser = new_parser("openvino2tf scaffold", "MODEL --layer NAME [-C DIR] [options]", _DESCRIPTION, _EPILOG)
    add_model(parser)
    add_flags(parser.add_argument_group("options"), ScaffoldOptions)
    given = vars(read_flags(parser, argv))
    model = given.pop("model")
    options = chosen(ScaffoldOptions, given)
    return Prepared(lambda: _run(model, options))


def _run(model: Path, options: ScaffoldOptions) -> int:
    from nchw2nhwc.debug.scaffold import plan, write
    from nchw2nhwc.source import identify

    source = identify(model, options.bin)
    made = plan(source, options.layer, options.checkout, options.op_class)
    print(*_lines(write(made, _fixture(source, made, options) if options.fixture else None), options), sep="\n")
    return 0


def _fixture(source: Source, made: Plan, options: ScaffoldOptions) -> Fixture:
    from nchw2nhwc.checking.inputs import load_inputs
    from nchw2nhwc.debug.data import source_data
    from nchw2nhwc.debug.fixture import Region, cut_fixture
    from nchw2nhwc.options import ConvertOptions

    if not made.in_main_graph:
        raise OptionError(f"layer '{made.layer}' is within another one, so no fixture can be cut out", Location(source.name),
                          "Leave it out with --no-fixture; docs/add-an-op.md says how else to make one.")
    reading = ConvertOptions(bin=options.bin, input_shape=options.input_shape, batch=options.batch)
    try:
        given = load_inputs(options.check_inputs) if options.check_inputs else None
        inputs, data = source_data(source, reading, given, options.input_range)
        return cut_fixture(source, Region(made.layer, made.layer), inputs, data)
    except CheckError as error:
        error.advice = "Give inputs that the layer accepts (--check-inputs, --input-shape), or leave the fixture out with --no-fixture."
        raise
    except ImportError as error:
        raise CheckError(f"{error.name} is not installed, which computes what a fixture expects", Location(source.name),
                         "Install it with pip install 'nchw2nhwc[check]', or leave the fixture out with --no-fixture.") from None


def _lines(done: Scaffold, options: ScaffoldOptions) -> list[str]:
    """What was written, what is left to do, and what to run."""
    operator = done.operator
    steps = [(step.place, step.text) for step in done.steps]
    width = len(str(len(steps)))
    numbered = [line for k, (place, text) in enumerate(steps, 1) for line in (f"{k:>{width}}. {place}", f"{'':{width}}  {text}")]
    run = [f"openvino2tf fixture run {shlex.quote(done.fixture)}"] if done.fixture else []
    run.append(f"python -m pytest tests/test_fixtures.py -k {shlex.quote(f'{operator.type} or has_one')}")
    if options.op_class:
        run.append(f"python -m pytest tests/ops tests/layout/test_law.py tests/passes/decompose tests/emit -k {operator.type}")
    run.append("ruff check && mypy")
    return [f"{operator.name}-{operator.version} of {operator.format.value}; its signature is that of {operator.origin}", "",
            "written:", *(f"  {path}" for path in (*done.written, *([done.fixture] if done.fixture else []))),
            *(["registered in:", *(f"  {path}" for path in dict.fromkeys(done.registered))] if done.registered else []), "",
            "to do:", *(f"  {line}" for line in numbered), "", f"then run{_where(options.checkout)}:", *(f"  {line}" for line in run)]


def _where(checkout: Path) -> str:
    """Where the commands have to run, and that it is this checkout which has to run then."""
    from nchw2nhwc import __file__ as here

    folder = "" if checkout.resolve() == Path.cwd() else f" in {checkout}"
    installed = Path(here).resolve().is_relative_to(checkout.resolve())
    return folder if installed else f"{folder}, after 'pip install -e .' there (what runs now is {Path(here).parent})"
