"""Running ai-edge-quantizer: calibration, quantization, and its file made into ours."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.emit.tflite.task_metadata import archive
from nchw2nhwc.errors import Location, OptionError, TargetError
from nchw2nhwc.interface import METADATA
from nchw2nhwc.options import EVERY
from nchw2nhwc.options.quantize import Samples
from nchw2nhwc.quantize import biases, flatfile, islands, rounding, weights
from nchw2nhwc.quantize.clipping import Histograms, least_error
from nchw2nhwc.quantize.coarse import flat, last, polynomials, spread_out, steep
from nchw2nhwc.quantize.corrections import correct
from nchw2nhwc.quantize.equalization import equalized
from nchw2nhwc.quantize.interface import Ranges, apply_interface
from nchw2nhwc.quantize.large_weights import rounded_as_matrices
from nchw2nhwc.quantize.normalized import faint, uneven
from nchw2nhwc.quantize.quotients import as_products
from nchw2nhwc.quantize.ranges import make_room, settle, trim
from nchw2nhwc.quantize.recipes import BODY, Recipe, kept_in_float, needs_hessian, needs_samples
from nchw2nhwc.quantize.unfit import constant_left, unfit

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT

    from nchw2nhwc.interface import TensorInfo
    from nchw2nhwc.ir import Array

SIGNATURE = "serving_default"
OBSERVED = 32
"""How many samples histograms and moments are made of."""
_OTHERWISE = "Leave the layer in float with --keep-float, or choose another mode."
_OTHERWISE_HESSIAN = ("GPTQ and OSCAR are for fully connected layers that sum over the last axis of their data alone: leave others in "
                      "float with --keep-float, or use dynamic, weight8 or int8 with samples, which round all layers' weights that way.")
Statistics: TypeAlias = "dict[str, dict[str, Array]]"
"""What calibration has found, by tensor: `min`, `max` and what the algorithms of a recipe add."""
_Observer = TypeVar("_Observer", rounding.Collected, Histograms)
Told: TypeAlias = Callable[[str], None]


def require_quantizer() -> None:
    """Raises OptionError when ai-edge-quantizer is not installed."""
    if find_spec("ai_edge_quantizer") is None:
        raise OptionError("ai-edge-quantizer is not installed, which results are quantized with",
                          advice="pip install 'nchw2nhwc[quantize]'")


class Engine:
    """Quantizes one float32 file, given as its content, in several ways. Samples, by input name and in the source's axis order, are asked
    for when they are first needed, and run once for all ways."""

    def __init__(self, content: bytes, file: str, inputs: Sequence[TensorInfo], samples: Callable[[], Samples], told: Told,
                 files: Mapping[str, bytes], *, both: bool, equal: bool) -> None:
        """`file` is what errors name; `files` stand in an archive behind the float32 file, and will behind quantized ones. `both`: weights
        will be rounded together and ranges be those of least error, so samples are run once for both. `equal`: channels are made equally
        large (see `equalization`)."""
        require_quantizer()
        self._given, self._equal, self._file, self._told = content, equal, file, told
        self._inputs, self._samples, self._files = inputs, samples, files
        self._float: list[str] = []
        self._both = both

    @cached_property
    def content(self) -> bytes:
        """The float32 file that is quantized."""
        content = _prepared(self._given)
        return equalized(content, lambda wanted: self._inside(content, wanted)) if self._equal else content

    def quantize(self, mode: str, recipe: Recipe, types: Mapping[str, str], shrink: Collection[str] | None = (), *,
                 per_tensor: bool = False, ranges: str = "minmax", together: bool = False) -> bytes:
        """The quantized file; `types` holds the element types of inputs and outputs by name. `shrink`: weights that the quantizer does
        not know are made int8 too, except those of operators that make these tensors. `ranges`: those of activations, "minmax" or "mse"
        (see `clipping`). `together`: weights are rounded so that results differ least on the samples (see `rounding`). Raises OptionError
        for a recipe that does not fit, TargetError when the quantizer fails, CheckError when the file does not run."""
        if needs_hessian(recipe):
            found: Statistics | None = self._calibrate(recipe)
        elif needs_samples(recipe):
            found = copy.deepcopy(self._clipped if ranges == "mse" else self._statistics)
            recipe = [*recipe, *kept_in_float([*self._float, *self._finer(mode, types)])]
            if mode == "int16x8":
                make_room(found)
        else:
            found = None
        ends = _ranges(found or {})
        model = flatfile.read(self._run(recipe, found))
        biases.restore(model, self.content)
        if together:
            rounding.refine(model, self.content, self._moments)
        return self._finished(model, mode, None if found is None else ends, types, shrink, per_tensor=per_tensor)

    def _finished(self, model: ModelT, mode: str, ranges: Ranges | None, types: Mapping[str, str], shrink: Collection[str] | None, *,
                  per_tensor: bool) -> bytes:
        """The quantizer's file made into ours; `ranges` are those of inputs and outputs where activations are quantized."""
        correct(model)
        if ranges is not None:
            apply_interface(model, types, ranges, self._file)
        if shrink is not None:
            weights.shrink(model, shrink, per_tensor=per_tensor)
        islands.join(model)
        _declare(model, mode)
        flatfile.prune(model)
        content = flatfile.write(model)
        return content + archive(self._files, len(content)) if self._files else content

    def _finer(self, mode: str, types: Mapping[str, str]) -> list[str]:
        """What the integer kernels of a mode are too coarse for, by name. Devices that run integers alone get them."""
        model = flatfile.read(self.content)
        if mode == "int16x8":
            return flat(model)
        outputs = {entry.name.decode() for entry in model.signatureDefs[0].outputs}
        floats = {name for name in outputs if types.get(name, types[EVERY]) == "float32"} if mode == "int8" else set()
        return [*spread_out(model, self._statistics), *uneven(model, self._statistics), *faint(model, self._statistics),
                *last(model, floats)]

    @cached_property
    def constant_left(self) -> list[str]:
        """The results of products with a constant matrix from the left."""
        return constant_left(flatfile.read(self.content))

    @cached_property
    def _moments(self) -> dict[str, rounding.Moments]:
        """What weights are rounded by."""
        return self._observed[0].found if self._both else self._observe(rounding.Collected(self.content)).found

    @cached_property
    def _observed(self) -> tuple[rounding.Collected, Histograms]:
        """What weights are rounded by and what ranges are chosen by, of the same runs of the samples."""
        observers = rounding.Collected(self.content), self._histograms()
        self._show(observers)
        return observers

    def _histograms(self) -> Histograms:
        """Of all tensors but what goes in and out of the file, which keeps all values; nothing is counted yet."""
        ends = islands.at_the_ends(flatfile.read(self.content))
        return Histograms({name: bounds for name, bounds in _ranges(self._statistics).items() if name not in ends})

    def _observe(self, observer: _Observer) -> _Observer:
        """An observer that has been shown the tensors inside."""
        self._show([observer])
        return observer

    def _show(self, observers: Sequence[rounding.Collected | Histograms]) -> None:
        """Run some samples and show the tensors inside to all observers."""
        wanted = {name for observer in observers for name in observer.wanted}
        for tensors in self._inside(self.content, wanted):
            for observer in observers:
                observer.add(tensors)

    def _inside(self, content: bytes, wanted: Set[str]) -> Iterator[Mapping[str, Array]]:
        """What some samples make of the tensors of a float32 file."""
        self._told("looking at the tensors inside")
        loaded = LoadedFile(content, self._inputs, inside=True)
        yield from (loaded.tensors(sample, wanted) for sample in self._samples()[:OBSERVED])

    @cached_property
    def _statistics(self) -> Statistics:
        """The range of every tensor over all samples."""
        measured = self._calibrate(None)
        model = flatfile.read(self.content)
        self._float = [*settle(model, measured), *steep(model), *polynomials(model), *unfit(model)]
        trim(model, measured)
        return measured

    @cached_property
    def _clipped(self) -> Statistics:
        """The ranges of least error."""
        histograms = self._observed[1] if self._both else self._observe(self._histograms())
        found = {name: least_error(each) for name, each in histograms.found().items()}
        return {name: {"min": np.asarray(found[name][0]), "max": np.asarray(found[name][1])} if name in found else each
                for name, each in self._statistics.items()}

    def _calibrate(self, recipe: Recipe | None) -> Statistics:
        """Run the samples: for ranges, which LiteRT's own profiler measures, or for what the algorithms of a recipe want."""
        from ai_edge_quantizer import calibrator, recipe_manager
        from ai_edge_quantizer.utils import qsv_utils

        samples, manager = self._samples(), recipe_manager.RecipeManager()
        mode = calibrator.CalibrationMode
        with self._quiet():
            if recipe is None:
                run = calibrator.Calibrator(self.content, mode=mode.CALIBRATION_PROFILER_BASED, qsv_update_func=qsv_utils.min_max_update)
            else:
                manager.load_quantization_recipe(recipe)
                run = calibrator.Calibrator(self.content, mode=mode.CALIBRATION_PRESERVE_ALL_TENSORS)
            for k, sample in enumerate(samples):
                self._told(f"calibrating: sample {k + 1} of {len(samples)}")
                run.calibrate({SIGNATURE: [{info.name: info.to_result(sample[info.name]) for info in self._inputs}]}, manager)
        found: Statistics = run.get_model_qsvs()
        if recipe is None:  # the profiler's ranges have an axis, which the quantizer does not expect of a tensor with a single scale
            return {name: {key: np.reshape(value, ()) for key, value in each.items()} for name, each in found.items()}
        return found

    def _run(self, recipe: Recipe, statistics: Statistics | None) -> bytes | bytearray:
        from ai_edge_quantizer import quantizer

        with self._quiet(_OTHERWISE_HESSIAN if needs_hessian(recipe) else _OTHERWISE):
            try:
                made = quantizer.Quantizer(self.content, recipe)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise OptionError(f"ai-edge-quantizer does not take the recipe: {error}", Location(self._file)) from error
            with rounded_as_matrices():
                content = made.quantize(statistics, enable_progress_bar=False, enable_progress_report=False).quantized_model
        assert isinstance(content, (bytes, bytearray))
        return content

    @contextlib.contextmanager
    def _quiet(self, advice: str = _OTHERWISE) -> Iterator[None]:
        """Without the quantizer's own bars and warnings; its errors as TargetError."""
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield
            except (ValueError, RuntimeError, KeyError, IndexError, AssertionError) as error:
                raise TargetError(f"ai-edge-quantizer cannot quantize the result: {error}", Location(self._file), advice) from error


def _ranges(statistics: Statistics) -> Ranges:
    return {name: (float(np.min(s["min"])), float(np.max(s["max"]))) for name, s in statistics.items() if "min" in s and "max" in s}


def _prepared(content: bytes) -> bytes:
    """The file as the quantizer wants it: no two tensors share a name or a buffer, in which it would store integers of different scales,
    and `BODY` is before the names of those in bodies of control flow. Quotients by constants are products."""
    model = flatfile.read(content)
    seen: set[bytes] = set()
    taken: set[int] = {0}
    for number, graph in enumerate(model.subgraphs):
        for tensor in graph.tensors:
            if number:
                tensor.name = f"{BODY}{number}: ".encode() + tensor.name
            while tensor.name in seen:
                tensor.name += b"_"
            seen.add(tensor.name)
            if tensor.buffer in taken - {0}:
                model.buffers.append(copy.copy(model.buffers[tensor.buffer]))
                tensor.buffer = len(model.buffers) - 1
            taken.add(tensor.buffer)
    as_products(model, exact=unfit(model))
    return flatfile.write(model)


def _declare(model: ModelT, mode: str) -> None:
    """Say in our metadata how the file is quantized, and the element types of its inputs and outputs."""
    entry = next((each for each in model.metadata or () if each.name == METADATA.encode()), None)
    if entry is None:
        return
    content = json.loads(bytes(model.buffers[entry.buffer].data))
    content["quantization"] = mode
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    types = {e.name.decode(): graph.tensors[e.tensorIndex].type for e in (*signature.inputs, *signature.outputs)}
    for tensor in (*content["inputs"], *content["outputs"]):
        tensor["dtype"] = flatfile.NUMPY.get(types.get(tensor["name"], -1), tensor["dtype"])
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    model.buffers[entry.buffer].data = np.frombuffer(text, np.uint8)
