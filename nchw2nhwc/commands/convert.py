"""openvino2tf [convert] MODEL: convert a model, check the result, write it, and say what came out."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nchw2nhwc.cli_arguments import Arguments, parse_arguments
from nchw2nhwc.commands import ABOVE_TOLERANCE, Prepared, finish
from nchw2nhwc.commands.graphs import Graphs, require_step
from nchw2nhwc.errors import Location, OptionError
from nchw2nhwc.files import Staging
from nchw2nhwc.options.quantize import RANDOM, is_recipe
from nchw2nhwc.progress import STAGES, Bar, Lines, Progress, Silent, Stages
from nchw2nhwc.tables import aligned

if TYPE_CHECKING:
    from nchw2nhwc.checking.layers import LayerErrors
    from nchw2nhwc.converted import Converted
    from nchw2nhwc.emit.keras import Network
    from nchw2nhwc.ir import Array
    from nchw2nhwc.options import ConvertOptions, RunOptions
    from nchw2nhwc.options.quantize import QuantizeOptions
    from nchw2nhwc.quantize.run import Quantization
    from nchw2nhwc.source import Source


@dataclass(frozen=True)
class _Outcome:
    """What the check has shown besides the result's own record: why there was none, and the errors of the tensors inside."""

    skipped: str = ""
    layers: LayerErrors | None = None


def prepare(argv: Sequence[str]) -> Prepared:
    """Read the arguments of a conversion."""
    arguments = parse_arguments(argv)
    return Prepared(lambda: _run(arguments), arguments.run.verbose)


def _run(arguments: Arguments) -> int:
    """Run with the progress that fits the terminal, then print the summary."""
    from nchw2nhwc.source import identify

    options = arguments.run
    source = identify(arguments.model, arguments.convert.bin)
    if options.print_between_passes:
        from nchw2nhwc.conversion import steps

        require_step(options.print_between_passes, steps(options.route, arguments.convert.target))
    progress, graphs = _progress(arguments), Graphs(options.dump_graph, options.print_between_passes)
    stages = Stages(progress, graphs.show)
    try:
        converted, outcome = _convert(arguments, source, stages)
    finally:
        progress.close()
    if not options.quiet:
        from nchw2nhwc.cli_summary import print_summary

        print_summary(converted, sys.stdout, skipped=outcome.skipped, random_ranges=arguments.quantize.calibration == RANDOM,
                      random_inputs=options.check_inputs is None,
                      explain=options.explain_layout)
        if options.verbose:
            for each in converted.fallbacks():
                print(f"not run by {converted.options.target}: {each.op} of '{each.layer}' ({each.type}): {each.reason}")
        if outcome.layers is not None:
            from nchw2nhwc.commands.tables import layer_rows

            print(*layer_rows(outcome.layers), sep="\n")
    if options.time_passes:
        print(*aligned([("pass", "seconds", "rewrites"), *((name, f"{spent:.3f}", str(count)) for name, spent, count in stages.passes)]),
              sep="\n")
    passed = [*(check.passed for check in converted.checks.values()), *(each.passed for each in converted.accuracy.values())]
    return 0 if all(passed) else ABOVE_TOLERANCE


def _progress(arguments: Arguments) -> Progress:
    options = arguments.run
    if options.quiet:
        return Silent()
    if sys.stderr.isatty():
        without = (not options.check) + 2 * ("tflite" not in options.to)
        more = bool(options.keras_targets) + bool(options.html) + (2 if arguments.quantize.modes else 0)
        return Bar(stages=len(STAGES) - without + more, verbose=options.verbose)
    return Lines(verbose=options.verbose)


def _convert(arguments: Arguments, source: Source, stages: Stages) -> tuple[Converted, _Outcome]:
    """Convert, check and write."""
    from nchw2nhwc.checking.inputs import load_inputs
    from nchw2nhwc.conversion import run
    from nchw2nhwc.extras import require_tensorflow
    from nchw2nhwc.products import reserve_keras
    from nchw2nhwc.report import to_json

    options = arguments.run
    data = load_inputs(options.check_inputs) if options.check_inputs else None
    with Staging(_read(arguments, source)) as staging:
        halves = (False, True) if options.float16 or "float16" in arguments.quantize.quantize else (False,)
        files = {float16: options.output_dir / f"{source.stem}_{'float16' if float16 else 'float32'}.tflite"
                 for float16 in halves if "tflite" in options.to}
        quantized = quantized_files(arguments.quantize, options.output_dir, source.stem)
        if options.keras_targets:
            require_tensorflow()
            reserve_keras(staging, options.output_dir, source.stem, options.keras_targets)
        for path in (*files.values(), *quantized.values(), *filter(None, (options.report, options.html))):
            staging.add(path)
        converted = run(source, _with_layer_ids(arguments, source), stages, options.route)
        if arguments.implied and converted.integers is not None:
            stages.progress.step(f"--target {converted.options.target}: the source is quantized already, and so is the result")
            staging.release(quantized.pop(arguments.implied))
        for float16, path in files.items():
            converted.stage_file(staging, path, float16, xnnpack=options.check)
        network = converted.keras_network(options.trainable) if options.keras_targets else None
        if network is not None:
            converted.stage_keras(staging, options.output_dir, options.keras_targets, network)
        quantization = _quantize(converted, arguments, quantized, staging, data)
        outcome = _check(converted, {float16: staging.temporary(path) for float16, path in files.items()},
                         network, options, data)
        if quantization is not None and options.check and not outcome.skipped:
            for mode, path in quantized.items():
                converted.measure(quantization, mode, staging.temporary(path))
        if options.html:
            result = files.get(False)
            converted.stage_html(staging, options.html, layers=outcome.layers, unchecked=outcome.skipped,
                                 result=staging.temporary(result) if result else None)
        if options.report:
            with staging.open(options.report) as file:
                file.write(to_json(converted.report))
        finish()
        staging.commit()
    return converted, outcome


def _read(arguments: Arguments, source: Source) -> list[Path]:
    """The files, or the folder of samples, that the conversion reads."""
    options = arguments.quantize
    given = (arguments.run.check_inputs, options.calibration, *filter(is_recipe, options.quantize))
    return [*source.files, *(Path(each) for each in given if isinstance(each, (str, os.PathLike)) and each != RANDOM)]


def quantized_files(options: QuantizeOptions, folder: Path, stem: str) -> dict[str, Path]:
    """The files of the modes that are asked for. Raises OptionError when two have the same name."""
    from nchw2nhwc.options.quantize import ending

    files = {mode: folder / f"{stem}_{ending(mode)}.tflite" for mode in options.modes}
    twice = [path.name for path in files.values() if list(files.values()).count(path) > 1]
    if twice:
        raise OptionError(f"two quantizations would be written to '{twice[0]}'", advice="Give the recipes different file names.")
    return files


def _quantize(converted: Converted, arguments: Arguments, files: Mapping[str, Path], staging: Staging,
              data: Mapping[str, Array] | None) -> Quantization | None:
    """Write the quantized files; None when none are asked for."""
    if not files:
        return None
    from nchw2nhwc.checking.inputs import validate_inputs
    from nchw2nhwc.quantize.run import Quantization

    tested = [validate_inputs(converted.inputs, data)] if data is not None else ()
    quantization = Quantization(converted, arguments.quantize, tested, hold_out=arguments.run.check)
    quantization.prepare()
    for mode, path in files.items():
        converted.stage_quantized(staging, path, quantization, mode, xnnpack=arguments.run.check)
    return quantization


def _check(converted: Converted, files: Mapping[bool, Path], network: Network | None, options: RunOptions,
           data: Mapping[str, Array] | None) -> _Outcome:
    """Compare the files (by whether they are float16) and the Keras model with the source."""
    from nchw2nhwc.checking import MissingRuntimeError

    if not options.check:
        return _Outcome("--no-check")
    with converted.stages.stage("check"):
        try:
            reference = converted.reference(data)
        except MissingRuntimeError as missing:
            return _Outcome(f"{missing.reason} ({missing.advice})")
        for float16, path in files.items():
            converted.compare(reference, path, float16, options.tolerance)
        if network is not None:
            converted.compare_keras(reference, network, options.tolerance)
        if not options.layers:
            return _Outcome()
        from nchw2nhwc.debug.check import inner_errors

        return _Outcome(layers=inner_errors(converted, files[False], reference.data, converted.checks["float32"].tolerance))


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
