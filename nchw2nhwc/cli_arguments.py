"""The command line's flags: made from the fields of options, plus those of openvino2tensorflow and answers to those of onnx2tf."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from nchw2nhwc import __version__, cli_onnx2tf
from nchw2nhwc.cli_openvino2tensorflow import ACCEPTED, REPLACED, adopt
from nchw2nhwc.commands import ERROR
from nchw2nhwc.errors import OptionError
from nchw2nhwc.options import ConvertOptions, Flag, RunOptions, flag_of, split_names, split_pair
from nchw2nhwc.options.quantize import FOR_DEVICE, QuantizeOptions

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_USAGE = """MODEL [-o DIR] [options]
       %(prog)s check MODEL RESULT            compare an earlier result with its source
       %(prog)s bisect MODEL                  find the op with which a result becomes wrong
       %(prog)s fixture MODEL --layer NAME    cut one op, or a region, out of a model
       %(prog)s fixture run DIR...            convert fixtures and compare
       %(prog)s scaffold MODEL --layer NAME   begin support for an operator that has none
       %(prog)s inspect MODEL                 show what a model holds
       %(prog)s COMMAND --help                describe the options of a command"""
_DESCRIPTION = "Convert an OpenVINO IR or ONNX model (channels-first) to TensorFlow Lite (channels-last), and check that both agree."
_EPILOG = ("exit status: 0 converted; 2 an error, nothing was written; 3 converted, but the check found an error above tolerance; "
           "130 interrupted, nothing was written")
_LEGACY = "These are understood too; any other of its flags, and any of onnx2tf's, is answered with what replaces it."


_Chosen = TypeVar("_Chosen", bound="DataclassInstance")


@dataclass(frozen=True)
class Arguments:
    """A command line, read."""

    model: Path
    convert: ConvertOptions
    run: RunOptions
    quantize: QuantizeOptions
    implied: str = ""
    """The mode of quantization that the device implies and that was not asked for."""
    layer_ids: tuple[str, ...] = ()
    """Layers of an IR, by id, that become its outputs (openvino2tensorflow's `--layerids_of_the_terminating_output`)."""


def parse_arguments(argv: Sequence[str] | None = None) -> Arguments:
    """Read a command line (default: the process's own). Exits with status 2 and a message for one that is not well formed; raises
    OptionError for options that do not go together."""
    parser = _parser()
    given: dict[str, object] = {k: v for k, v in vars(read_flags(parser, argv)).items() if v is not None}
    layer_ids = adopt(given, parser)
    model = given.pop("model", None)
    if not isinstance(model, Path):
        parser.error("give the MODEL to convert, an .xml or .onnx file")
    convert, options = chosen(ConvertOptions, given), chosen(RunOptions, given)
    implied = FOR_DEVICE.get(convert.target, "") if "tflite" in options.to else ""
    asked = given.get("quantize", ())
    assert isinstance(asked, tuple)
    if implied and implied not in asked:
        given["quantize"] = (*asked, implied)
    quantize = chosen(QuantizeOptions, given)
    if quantize.quantize and "tflite" not in options.to:
        raise OptionError("--quantize is about TFLite files, which --to leaves out")
    return Arguments(model, convert, options, quantize, implied if implied not in asked else "", layer_ids)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("openvino2tf", _USAGE, _DESCRIPTION, _EPILOG)
    parser.add_argument("model", nargs="?", type=Path, metavar="MODEL", default=None,
                        help="an OpenVINO IR (.xml, with its .bin beside it) or an ONNX model (.onnx)")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    for title, options in (("conversion", ConvertOptions), ("files, check and output", RunOptions), ("quantization", QuantizeOptions)):
        add_flags(parser.add_argument_group(title), options)
    others = parser.add_argument_group("flags of openvino2tensorflow", _LEGACY)
    for name, (metavar, help) in ACCEPTED.items():
        if metavar:
            others.add_argument(name, metavar=metavar, help=help)
        else:
            others.add_argument(name, action="store_true", help=help)
    answers = ({name: f"a flag of onnx2tf; here: {answer}" for name, answer in cli_onnx2tf.replaced().items()}
               | {name: f"a flag of openvino2tensorflow; here: {answer}" for name, answer in REPLACED.items()})
    for name in answers.keys() - ACCEPTED.keys():
        others.add_argument(name, nargs="?", action=_Replaced, const=answers[name], help=argparse.SUPPRESS)
    return parser


# ---- for all commands --------------------------------------------------------------------------------------------------
class _Parser(argparse.ArgumentParser):
    """argparse's, whose errors look like all others."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and the message."""
        self.exit(ERROR, f"error: {message}\n  '{self.prog} --help' describes all options.\n")


def new_parser(program: str, usage: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A parser whose result holds only what was given."""
    return _Parser(program, usage=f"%(prog)s {usage}", description=description, epilog=epilog, allow_abbrev=False,
                   argument_default=argparse.SUPPRESS)


def read_flags(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """What was given, by the options' names. Exits with status 2 and a message for a command line that is not well formed."""
    given, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(_unknown(unknown, parser))
    return given


def _unknown(words: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """Why a command line is not understood: a flag that does not exist, with the one that is meant, or a word too many."""
    named = [word.partition("=")[0] for word in words if word.startswith("-")]
    if not named:
        return f"there is no place for '{words[0]}'"
    flags = re.findall(r"--[a-z][a-z0-9-]*", parser.format_help())
    meant = get_close_matches(named[0].replace("_", "-"), flags, n=1, cutoff=0.7)
    return f"there is no option {named[0]}" + (f"; did you mean {meant[0]}?" if meant else "")


def add_model(parser: argparse.ArgumentParser) -> None:
    """The argument that all commands have."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="an OpenVINO IR (.xml) or an ONNX model (.onnx)")


def add_flags(group: argparse._ActionsContainer, options: type[DataclassInstance], without: Collection[str] = ()) -> None:
    """A flag for every field of a class of options, except those called `without`."""
    for f in fields(options):
        if f.name not in without:
            _add(group, f.name, f.default, flag_of(f))


def chosen(options: type[_Chosen], given: Mapping[str, object]) -> _Chosen:
    """The options of a class among all that were given. Raises OptionError for those that do not go together."""
    known = {f.name for f in fields(options)}
    return options(**{name: value for name, value in given.items() if name in known})


def _add(group: argparse._ActionsContainer, name: str, default: object, flag: Flag) -> None:
    """One flag for the option called `name`; an underscore at its end keeps it from being a keyword of Python."""
    spellings = [*([flag.short] if flag.short else []), "--" + name.rstrip("_").replace("_", "-")]
    help = flag.help.replace("%", "%%")
    if flag.kind == "switch or list":
        group.add_argument(*spellings, dest=name, action="store_true", help=help)
        group.add_argument(f"{spellings[-1]}-of", dest=name, metavar=flag.metavar, type=_reader(_some_names), action=_Names,
                           help=argparse.SUPPRESS)
    elif flag.kind == "switch":
        group.add_argument(*spellings, dest=name, action=argparse.BooleanOptionalAction if default else "store_true", help=help)
    elif flag.kind in ("value", "optional"):
        optional = {"nargs": "?", "const": ""} if flag.kind == "optional" else {}
        group.add_argument(*spellings, dest=name, metavar=flag.metavar, type=_reader(flag.parse), help=help, **optional)  # type: ignore[arg-type]
    else:
        by_name = flag.kind in ("mapping", "named")
        reader = _reader(lambda text: _pair(text, flag)) if by_name else _reader(_some_names)
        group.add_argument(*spellings, dest=name, metavar=flag.metavar, type=reader, action=_Mapping if by_name else _Names, help=help)


def _pair(text: str, flag: Flag) -> tuple[str, object]:
    name, value = ("", text) if flag.kind == "named" and "=" not in text else split_pair(text)
    return name, flag.parse(value)


def _some_names(text: str) -> tuple[str, ...]:
    """Names with commas between them. Raises ValueError for none, as an empty variable of a shell gives."""
    names = split_names(text)
    if not names:
        raise ValueError(f"'{text}' names nothing")
    return names


def _reader(parse: Callable[[str], object]) -> Callable[[str], object]:
    """`parse` with its ValueError as the message of the flag."""
    def read(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


class _Mapping(argparse.Action):
    """Collects NAME=VALUE pairs."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object,
                 option_string: str | None = None) -> None:
        assert isinstance(values, tuple)
        collected: dict[str, object] = getattr(namespace, self.dest, {})
        name, value = values
        if name in collected:
            parser.error(f"{option_string} is given twice for '{name}'" if name else f"{option_string} is given twice")
        setattr(namespace, self.dest, {**collected, name: value})


class _Names(argparse.Action):
    """Collects names over repeated flags."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object,
                 option_string: str | None = None) -> None:
        assert isinstance(values, tuple)
        before = getattr(namespace, self.dest, ())
        setattr(namespace, self.dest, (*(before if isinstance(before, tuple) else ()), *values))


class _Replaced(argparse.Action):
    """Says what takes the place of a flag that is not there."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object,
                 option_string: str | None = None) -> NoReturn:
        parser.error(f"{option_string} is {self.const}")
