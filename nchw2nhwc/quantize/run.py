"""Quantizing a conversion: its samples, its quantized files, and how far they are from the source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.checking import source_tensors
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.emit.tflite.outputs import giving_out
from nchw2nhwc.errors import Location, OptionError
from nchw2nhwc.ir import Array
from nchw2nhwc.options.quantize import AUTO, FOR_DEVICE, RANDOM, RANGES, SOURCE, TOGETHER, QuantizeOptions, Samples, is_recipe
from nchw2nhwc.quantize import flatfile
from nchw2nhwc.quantize.accuracy import Accuracy, LayerAccuracy, OutputAccuracy, layer_accuracy, least, output_accuracy
from nchw2nhwc.quantize.as_source import AsSource
from nchw2nhwc.quantize.coarse import made_by_softmax
from nchw2nhwc.quantize.data import spread
from nchw2nhwc.quantize.engine import Engine, require_quantizer
from nchw2nhwc.quantize.given import Given
from nchw2nhwc.quantize.mixed import by_noise, fewest
from nchw2nhwc.quantize.names import Names
from nchw2nhwc.quantize.recipes import needs_samples, read_recipe, recipe_of, with_one_scale
from nchw2nhwc.quantize.unfit import has_constant_products

if TYPE_CHECKING:
    from nchw2nhwc.converted import Converted
    from nchw2nhwc.emit.tflite.model import Subgraph

COMPARED = 32
"""On how many samples ways to choose ranges are compared: few outputs of a few samples say little."""
_RANGED = {"int8", "int8-full"}
"""The modes with ranges of int8 activations."""
_SMALLEST = 1e-30
"""Probabilities below are as good as this one."""
_NONE = "{} needs samples of the model's inputs to find the ranges of its tensors, and there are none"
_COMPARES = "--auto-mixed compares with the source on samples of the model's inputs, and there are none"
_ONE_SCALE = "{}: constant operands of matrix products get one scale, not one for each channel, which integer kernels do not know"
_IMPLIED = "--target {} makes an {} file, which"
_GIVE = ("Give --calibration DATA: an .npz file with an array of samples for each input, a folder of such files or of images. "
         "'--calibration random' makes a file that runs but says nothing about accuracy.")


def _logits(probabilities: Array) -> Array:
    """What a softmax over the last axis has read, but for a constant: logarithms about their mean."""
    logarithms = np.log(np.maximum(probabilities.astype(np.float32), _SMALLEST))
    return np.asarray(logarithms - logarithms.mean(-1, keepdims=True))


class Quantization:
    """The quantized files of one conversion. Raises OptionError when ai-edge-quantizer is not installed."""

    def __init__(self, converted: Converted, options: QuantizeOptions, tested: Sequence[Mapping[str, Array]] = (), *,
                 hold_out: bool = True) -> None:
        """`tested` are inputs by name, in the source's axis order, to measure accuracy on instead of samples that are held out; `hold_out`:
        accuracy will be measured at all."""
        if options.quantize != (SOURCE,):
            require_quantizer()
        self._converted, self._options = converted, options
        self.given = Given(converted, options, tested, hold_out=hold_out)
        self._kept: dict[str, tuple[str, ...]] = {}
        self._compared: dict[str, bytes] = {}
        self._engines: dict[bool, Engine] = {}
        self._told = converted.stages.progress.step

    @cached_property
    def _expected(self) -> list[dict[str, Array]]:
        """What the source computes for the tested samples."""
        return self._computed(self.given.tested[0])

    def _computed(self, samples: Samples) -> list[dict[str, Array]]:
        outputs = self._converted.outputs
        found = []
        for k, sample in enumerate(samples):
            self._told(f"running the source: sample {k + 1} of {len(samples)}")
            tensors = source_tensors(self._converted.source, self._converted.inputs, [info.tensor for info in outputs], sample,
                                     by_itself=self._as_source is not None)
            found.append({info.name: tensors[info.tensor] for info in outputs})
        return found

    # ---- files -----------------------------------------------------------------------------------------------------------
    def prepare(self) -> None:
        """Find out what is wrong with samples, modes and names before anything is made. Raises OptionError."""
        self._require_kind()
        self._names.tensors_of(self._options.keep_float)
        if self._as_source is not None:
            return
        for mode in filter(is_recipe, self._options.modes):
            self._note(Path(mode))
        for mode in self._options.modes:
            if needs_samples(recipe_of(mode, self._options)) and self.given.calibration is None:
                target = self._converted.options.target
                subject = _IMPLIED.format(target, mode) if FOR_DEVICE.get(target) == mode else mode
                raise OptionError(_NONE.format(subject), advice=_GIVE)

    def _require_kind(self) -> None:
        """Raises OptionError for a mode that is about quantized sources where this is none, and the other way round."""
        where, quantized = Location(self._converted.source.name), self._converted.integers is not None
        if quantized and SOURCE not in self._options.quantize:
            raise OptionError("the source is quantized already, and the result keeps its scales", where,
                              "Leave out --quantize, give --dequantize too, or come nearer to it: --quantize source --auto-mixed DB.")
        if SOURCE not in self._options.quantize:
            return
        if not quantized:
            raise OptionError("--quantize source is about sources that are quantized already", where, "Choose another mode.")
        if self._options.auto_mixed is not None and not self.given.any:
            raise OptionError(_COMPARES, where, _GIVE)

    def _note(self, path: Path) -> None:
        """Say what a recipe of the user's is not followed in."""
        recipe = read_recipe(path)
        if with_one_scale(recipe) != recipe and has_constant_products(flatfile.read(self._float)):
            self._converted.layout.graph.notes.append(_ONE_SCALE.format(path.name))

    def content(self, mode: str) -> bytes:
        """The quantized file of a mode. Raises OptionError, TargetError; with `auto_mixed` also CheckError."""
        self.prepare()
        if self._as_source is not None:
            return self._near_the_source(self._as_source)
        static = mode in ("int8", "int8-full", "int16x8") or is_recipe(mode)
        target = self._options.auto_mixed
        if target is None or not static:
            return self._made(mode, ())
        found = fewest(lambda kept: self._made(mode, kept), lambda made: by_noise(self._layers_of(mode, made)), self._worst, target,
                       self._told, ", or use --quantize float16")
        self._kept[mode] = tuple(dict.fromkeys(self._names.layer_of(name) for name in found.kept))
        return found.content

    @cached_property
    def _as_source(self) -> AsSource | None:
        """What makes the files of a source that is quantized already."""
        if SOURCE not in self._options.quantize:
            return None
        return AsSource(self._converted, {self._names.layer_of(name) for name in self._names.tensors_of(self._options.keep_float)})

    def _near_the_source(self, files: AsSource) -> bytes:
        """The source's own quantization with the fewest changes."""
        target = self._options.auto_mixed
        if target is None:
            return files.make(())
        samples = self.given.to_compare()
        expected = self._computed(samples)
        found = fewest(files.make, lambda _: files.order(), lambda content: self._least(content, samples, expected), target, self._told)
        self._kept[SOURCE] = found.kept
        return found.content

    def _made(self, mode: str, kept: Sequence[str]) -> bytes:
        """The file with some tensors' operators kept in float, or finer."""
        ranges = self._options.ranges if mode in _RANGED else "minmax"
        if ranges == AUTO:
            ranges = self._better_ranges
            if mode == "int8" and not kept and ranges in self._compared:
                return self._compared.pop(ranges)
        return self._with_ranges(mode, kept, ranges)

    def _with_ranges(self, mode: str, kept: Iterable[str], ranges: str) -> bytes:
        finer = tuple(kept) if self._options.mixed_with == "int16" else ()
        floats = [*self._names.tensors_of(self._options.keep_float), *(() if finer else kept)]
        engine = self._engine(mode)
        recipe = recipe_of(mode, self._options, floats, finer, () if is_recipe(mode) else engine.constant_left)
        return engine.quantize(mode, recipe, self._options.interface(mode), None if is_recipe(mode) else floats,
                               per_tensor=self._options.per_tensor, ranges=ranges, together=self._fitted(mode))

    def _fitted(self, mode: str) -> bool:
        """Whether a file's weights are made for the samples."""
        return self._together and not is_recipe(mode) and mode != "float16"

    @property
    def _together(self) -> bool:
        """Whether weights are rounded for the samples, which have to be real ones for that."""
        return self._options.rounding == TOGETHER and self.given.calibration is not None and self._options.calibration != RANDOM

    @cached_property
    def _better_ranges(self) -> str:
        """Those with which an int8 file comes nearest to the float32 file, on some of the samples that it is calibrated with: what is cut
        may be noise or what matters, and only the outputs tell. Of a softmax they would tell little, as all but a few samples have the same
        ones and zeros there: what it is made of is compared."""
        inputs, outputs, samples = self._converted.inputs, self._converted.outputs, self.given.to_calibrate()
        some = [samples[k] for k in spread(len(samples), COMPARED)]
        kept = {info.name for info in outputs if info.perm == tuple(range(len(info.perm)))}
        squashed = made_by_softmax(flatfile.read(self._float)) & kept

        def run(content: bytes) -> list[dict[str, Array]]:
            loaded = LoadedFile(content, inputs)
            return [{name: _logits(array) if name in squashed else array for name, array in loaded.run(outputs, sample).items()}
                    for sample in some]

        expected = run(self._float)

        def worst(ranges: str) -> float:
            self._compared[ranges] = self._with_ranges("int8", (), ranges)
            found = output_accuracy(expected, run(self._compared[ranges]))
            return least(found.values())

        ratios = {ranges: worst(ranges) for ranges in RANGES if ranges != AUTO}
        self._told("ranges: " + ", ".join(f"{ranges} {ratio:.1f} dB" for ranges, ratio in ratios.items()))
        best = max(ratios, key=lambda ranges: ratios[ranges])
        self._compared = {best: self._compared[best]}
        return best

    def _engine(self, mode: str) -> Engine:
        """What makes a mode's file. Channels are not made equally large where weights have one scale for all of them."""
        equal = self._fitted(mode) and not self._options.per_tensor
        if equal not in self._engines:
            both = self._together and self._options.ranges != "minmax" and not _RANGED.isdisjoint(self._options.modes)
            self._engines[equal] = Engine(self._float, self._converted.source.name, self._converted.inputs, self.given.to_calibrate,
                                          self._told, self._converted.flatbuffer(widened=True).model.files, both=both, equal=equal)
        return self._engines[equal]

    @cached_property
    def _float(self) -> bytes:
        return self._converted.flatbuffer(widened=True).tobytes()

    @property
    def _graph(self) -> Subgraph:
        return self._converted.flatbuffer(widened=True).model.subgraphs[0]

    @cached_property
    def _names(self) -> Names:
        return Names(self._graph, self._converted.source.name)

    # ---- accuracy --------------------------------------------------------------------------------------------------------
    def accuracy(self, mode: str, file: Path | bytes) -> Accuracy:
        """Compare a quantized file with the source. Raises CheckError."""
        samples, data = self.given.tested
        first = output_accuracy(self._expected[:1], self._run(file, samples[:1], plain=True))
        return Accuracy(output_accuracy(self._expected, self._run(file, samples)), {n: e.sqnr for n, e in first.items() if e.equal is None},
                        self._layers_of(mode, file), len(samples), data, self._options.min_sqnr, self._kept.get(mode, ()),
                        self._as_source.integers(self._kept.get(mode, ())) if self._as_source is not None else None)

    def _run(self, file: Path | bytes, samples: Samples, *, plain: bool = False) -> list[dict[str, Array]]:
        """The outputs that a file makes of samples."""
        loaded = LoadedFile(file, self._converted.inputs, plain=plain)
        return [loaded.run(self._converted.outputs, sample) for sample in samples]

    def _layers_of(self, mode: str, file: Path | bytes) -> tuple[LayerAccuracy, ...]:
        """The tensors inside a mode's file, beside those of the float32 file that it is made of. They are outputs: LiteRT would keep all
        others as well, among them what kernels of integers lay out for each window, which is many times larger. None of a source that is
        quantized already, of which there is no float32 file."""
        if mode == SOURCE:
            return ()
        graph = self._graph
        made = {graph.tensors[i].name for op in graph.operators for i in op.outputs}
        files = self._engine(mode).content, file if isinstance(file, bytes) else file.read_bytes()
        reference, result = (LoadedFile(giving_out(each, made), self._converted.inputs, plain=True) for each in files)
        return layer_accuracy(graph, reference, result, self.given.tested[0])

    def _worst(self, content: bytes) -> float:
        """The smallest SQNR of all outputs of a file."""
        found = output_accuracy(self._expected, self._run(content, self.given.tested[0]))
        return least(found.values())

    def _least(self, content: bytes, samples: Samples, expected: Sequence[Mapping[str, Array]]) -> float:
        """The smallest SQNR of all outputs, on either half of some samples, with XNNPACK and without: where a few numbers on other levels
        decide, a file may come near on some samples by chance."""
        ratios: list[OutputAccuracy] = []
        for plain in (False, True):
            found = self._run(content, samples, plain=plain)
            for first in range(min(2, len(samples))):
                ratios += output_accuracy(expected[first::2], found[first::2]).values()
        return least(ratios)
