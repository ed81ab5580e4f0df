"""The culprit as a fixture."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from nchw2nhwc.debug.fixture import Fixture, Region, cut_fixture, run_fixture, save_fixture
from nchw2nhwc.errors import CheckError, ConversionError, OptionError
from nchw2nhwc.ir import Array
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.source import Source
from nchw2nhwc.source.reading import source_inputs


def culprit_fixture(source: Source, options: ConvertOptions, data: Mapping[str, Array], regions: Sequence[Region], tolerance: float | None,
                    folder: Path | None) -> tuple[Path | None, bool]:
    """Write the first of `regions` which by itself fails as it does in the model into `folder`, or, if none does, the last that can be cut
    out; returns where it is, None for nowhere, and whether it fails. Raises OutputError."""
    if folder is None:
        return None, False
    inputs = source_inputs(source, options)
    found: Fixture | None = None
    for region in regions:
        try:
            fixture = cut_fixture(source, region, inputs, data)
        except (OptionError, CheckError):  # the layer is known by another name there, or its runtime does not run it alone
            continue
        found = fixture
        if _fails(fixture, tolerance):
            save_fixture(fixture, folder, source.files)
            return folder, True
    if found is None:
        return None, False
    save_fixture(found, folder, source.files)
    return folder, False


def _fails(fixture: Fixture, tolerance: float | None) -> bool:
    """Whether a fixture's result cannot be made or is off."""
    with tempfile.TemporaryDirectory() as folder:
        save_fixture(fixture, Path(folder))
        try:
            return not all(outcome.passed for outcome in run_fixture(Path(folder), ["tflite"], tolerance))
        except ConversionError:
            return True
