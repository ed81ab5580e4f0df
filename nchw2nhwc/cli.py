"""openvino2tf: convert a model, check the result, write it, and say what came out."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from nchw2nhwc.cli_arguments import Arguments, parse_arguments
from nchw2nhwc.errors import ConversionError, Location, OptionError
from nchw2nhwc.files import Staging
from nchw2nhwc.progress import STAGES, Bar, Lines, Progress, Silent, Stages

if TYPE_CHECKING:
    import keras

    from nchw2nhwc.converted import Converted
    from nchw2nhwc.ir import Array
    from nchw2nhwc.options import ConvertOptions, RunOptions
    from nchw2nhwc.source import Source

ERROR, ABOVE_TOLERANCE, INTERRUPTED, TERMINATED = 2, 3, 130, 143
"""Exit statuses besides 0."""

_STDERR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own) and return the exit status: 0, 2 for an error (nothing is written), 3 for a result
    whose check is above tolerance (it is written), 130 when interrupted."""
    try:
        arguments = parse_arguments(argv)
        with _terminable(), _native_messages(shown=arguments.run.verbose):
            return _reporting(arguments)
    except ConversionError as error:
        return _failed(str(error))
    except MemoryError:
        return _failed("out of memory")
    except RecursionError:
        return _failed("the model is nested too deeply")
    except BrokenPipeError:
        return _unheard()
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED


def _failed(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return ERROR


def _unheard() -> int:
    """Nobody reads what is printed any more; keep Python from failing once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


@contextmanager
def _native_messages(*, shown: bool) -> Iterator[None]:
    """Unless `shown`, drop what native libraries print to standard error by themselves; Python's own messages still appear."""
    try:
        separable = sys.stderr.fileno() == _STDERR
    except OSError:
        separable = False
    if shown or not separable:
        yield
        return
    python, kept = sys.stderr, os.dup(_STDERR)
    with open(kept, "w", encoding=python.encoding, errors=python.errors, buffering=1) as sys.stderr, open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, _STDERR)
            sys.stderr = python


@contextmanager
def _terminable() -> Iterator[None]:
    """Leave in the ordinary way on SIGTERM, so that temporary files are removed."""
    def stop(*_: object) -> NoReturn:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _reporting(arguments: Arguments) -> int:
    """Run with the progress that fits the terminal, then print the summary."""
    from nchw2nhwc.source import identify

    options = arguments.run
    source = identify(arguments.model, arguments.convert.bin)
    progress = _progress(arguments)
    try:
        converted, skipped = _convert(arguments, source, Stages(progress))
    finally:
        progress.close()
    if not options.quiet:
        from nchw2nhwc.cli_summary import print_summary

        print_summary(converted, sys.stdout, skipped=skipped, random_inputs=options.check_inputs is None, explain=options.explain_layout)
    return 0 if all(check.passed for check in converted.checks.values()) else ABOVE_TOLERANCE


def _progress(arguments: Arguments) -> Progress:
    options = arguments.run
    if options.quiet:
        return Silent()
    if sys.stderr.isatty():
        without = (not options.check) + 2 * ("tflite" not in options.to)
        return Bar(stages=len(STAGES) - without + bool(options.keras_targets) + bool(options.html), verbose=options.verbose)
    return Lines(verbose=options.verbose)


def _convert(arguments: Arguments, source: Source, stages: Stages) -> tuple[Converted, str]:
    """Convert, check and write; returns the result and, when there was no check, why."""
    from nchw2nhwc.check.inputs import load_inputs
    from nchw2nhwc.conversion import require_tensorflow, run
    from nchw2nhwc.converted import reserve_keras
    from nchw2nhwc.report import to_json

    options = arguments.run
    data = load_inputs(options.check_inputs) if options.check_inputs else None
    with Staging() as staging:
        files = {float16: options.output_dir / f"{source.stem}_{'float16' if float16 else 'float32'}.tflite"
                 for float16 in ((False, True) if options.float16 else (False,)) if "tflite" in options.to}
        if options.keras_targets:
            require_tensorflow()
            reserve_keras(staging, options.output_dir, source.stem, options.keras_targets)
        for path in (*files.values(), *filter(None, (options.report, options.html))):
            staging.add(path)
        converted = run(source, _with_layer_ids(arguments, source), stages, options.route)
        for float16, path in files.items():
            converted.stage_file(staging, path, float16, xnnpack=options.check)
        network = converted.keras_network(options.trainable) if options.keras_targets else None
        if network is not None:
            converted.stage_keras(staging, options.output_dir, options.keras_targets, network)
        skipped = _check(converted, {float16: staging.temporary(path) for float16, path in files.items()},
                         network.model if network is not None else None, options, data)
        if options.html:
            result = files.get(False)
            converted.stage_html(staging, options.html, unchecked=skipped, result=staging.temporary(result) if result else None)
        if options.report:
            with staging.open(options.report) as file:
                file.write(to_json(converted.report))
        staging.commit()
    return converted, skipped


def _check(converted: Converted, files: Mapping[bool, Path], model: keras.Model | None, options: RunOptions,
           data: Mapping[str, Array] | None) -> str:
    """Compare the files (by whether they are float16) and the Keras model with the source; returns why not, when there is nothing to run it
    with."""
    from nchw2nhwc.check import MissingRuntimeError

    if not options.check:
        return "--no-check"
    with converted.stages.stage("check"):
        try:
            reference = converted.reference(data)
        except MissingRuntimeError as missing:
            return f"{missing.reason} ({missing.advice})"
        for float16, path in files.items():
            converted.compare(reference, path, float16, options.tolerance)
        if model is not None:
            converted.compare_keras(reference, model, options.tolerance)
    return ""


def _with_layer_ids(arguments: Arguments, source: Source) -> ConvertOptions:
    """The conversion's options with layers that are given by id named in `outputs`."""
    if not arguments.layer_ids:
        return arguments.convert
    from nchw2nhwc.parse.openvino.document import read_document
    from nchw2nhwc.source import Format

    if source.format is not Format.OPENVINO or not isinstance(source.model, Path):
        raise OptionError("layer ids are those of an OpenVINO IR; this model is ONNX", advice="Name the layers or tensors with --outputs.")
    layers = read_document(source.model).layers
    names = {str(number): layer.name for number, layer in layers.items()}
    unknown = [number for number in arguments.layer_ids if number not in names]
    if unknown:
        raise OptionError(f"the model has no layer with the id {unknown[0]}", Location(source.name))
    return replace(arguments.convert, outputs=[names[number] for number in arguments.layer_ids])
