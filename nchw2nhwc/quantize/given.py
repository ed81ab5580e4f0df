"""The samples that a conversion's quantized files are made and measured with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nchw2nhwc.checking import drawn_sizes
from nchw2nhwc.checking.inputs import random_inputs, with_draws
from nchw2nhwc.errors import OptionError
from nchw2nhwc.ir import Array
from nchw2nhwc.options.quantize import RANDOM, SOURCE, QuantizeOptions, Samples
from nchw2nhwc.quantize.data import Calibration, read_arrays, samples_of, split
from nchw2nhwc.quantize.images import image_files, read_images
from nchw2nhwc.source.reading import read

if TYPE_CHECKING:
    from nchw2nhwc.converted import Converted

RANDOM_SAMPLES = 4


class Given:
    """Those of one conversion. `tested` are inputs by name, in the source's axis order, to measure accuracy on instead of samples that are
    held out; `hold_out`: accuracy will be measured at all."""

    def __init__(self, converted: Converted, options: QuantizeOptions, tested: Sequence[Mapping[str, Array]], *, hold_out: bool) -> None:
        self._hold_out = not tested and (hold_out or (options.auto_mixed is not None and SOURCE not in options.quantize))
        self._converted, self._options, self._given = converted, options, tested

    @property
    def any(self) -> bool:
        """Whether there are samples at all."""
        return bool(self._given) or self.calibration is not None

    @cached_property
    def calibration(self) -> Calibration | None:
        """The samples that were given, None if none were. Raises OptionError for data that do not fit."""
        given, inputs = self._options.calibration, self._converted.inputs
        if given is None:
            return None
        if isinstance(given, str) and given == RANDOM:
            return split(self._random(RANDOM_SAMPLES), "random numbers", hold_out=self._hold_out)
        if not isinstance(given, (str, os.PathLike)):
            listed = [samples_of(sample, inputs, self._options.calibration_layout, f"sample {k}") for k, sample in enumerate(given)]
            return self._split([sample for samples in listed for sample in samples], "the samples given")
        path = Path(given)
        samples = self._images(path) if path.is_dir() and image_files(path) else read_arrays(
            path, inputs, self._options.calibration_layout, self._options.calibration_samples)
        if not samples:
            raise OptionError(f"calibration data: there is neither an array (.npz, .npy) nor an image in the folder '{path}'")
        return self._split(samples, path.name)

    def _split(self, samples: Samples, origin: str) -> Calibration:
        """Samples, with what the source draws at random, as those to calibrate with and the others."""
        whole = [with_draws(self._converted.inputs, sample, seed) for seed, sample in enumerate(samples)]
        return split(whole, origin, hold_out=self._hold_out)

    def _images(self, folder: Path) -> Samples:
        from nchw2nhwc.layout.interface import spatial_inputs

        graph = read(self._converted.source, self._converted.options)
        spatial = spatial_inputs(graph)
        names = [v.name for v in graph.inputs if id(v) in spatial and v.rank == 4 and v.name not in graph.draws]
        image = next((info for info in self._converted.inputs if [info.name] == names), None)
        return read_images(folder, self._converted.inputs, image, self._options)

    def _random(self, count: int) -> list[dict[str, Array]]:
        made = self._converted
        sizes = drawn_sizes(made.inputs, lambda: read(made.source, made.options), made.graph)[0]
        return [random_inputs(made.inputs, made.index_limits, seed, sizes=sizes) for seed in range(count)]

    def to_calibrate(self) -> Samples:
        """The samples that ranges come from."""
        assert self.calibration is not None, "a mode that needs samples was let through without any"
        return self.calibration.samples

    def to_compare(self) -> Samples:
        """The samples on which a file is brought near to a source that is quantized already."""
        return self._given if self.calibration is None else self.calibration.samples

    @cached_property
    def tested(self) -> tuple[Samples, str]:
        """What accuracy is measured on, and that in words."""
        if self._given:
            return self._given, "the inputs of the check"
        if self.calibration is None:
            return self._random(RANDOM_SAMPLES), "random numbers"
        origin = self.calibration.origin
        return self.calibration.tested, f"{'held out of ' if self.calibration.held_out else ''}{origin}"
