"""From folders to the list of what is measured: every network that is there, and a line for every set that is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from measure import models
from measure.make_ir import make_ir
from measure.models import Limits, Shapes

HYDRATE = "python ../shared/zoo/zoo.py hydrate DIR"


@dataclass(frozen=True)
class Case:
    """One network in one format: where it is, the options it is converted with, and the input shapes it is run with.

    `runs` are run one after the other in one interpreter; an empty mapping means the shapes that the model declares. `text`: the inputs are
    pictures of text; `integers`: how many different values integer inputs take. A case that is `made_from` an ONNX file is an IR that
    `prepare` writes, with float16 weights or float32 ones.
    """

    network: str
    set: str
    path: Path
    limits: Limits
    options: tuple[str, ...] = ()
    input_shapes: Shapes = field(default_factory=dict)
    runs: tuple[Shapes, ...] = ({},)
    text: bool = False
    integers: int = 2
    made_from: Path | None = None
    float16: bool = False

    @property
    def ranked(self) -> bool:
        """Whether its results are rankings of nearly equal numbers."""
        return self.network in models.RANKED

    @property
    def files(self) -> tuple[Path, ...]:
        """The model's files."""
        return (self.path,) if self.path.suffix == ".onnx" else (self.path, self.path.with_suffix(".bin"))

    @property
    def megabytes(self) -> float:
        """Size of the model's files in MB (10^6 bytes)."""
        return sum(p.stat().st_size for p in self.files) / 1e6

    @property
    def bound_mb(self) -> float:
        """Largest peak memory of a conversion in MB."""
        return models.PEAK_BASE_MB + models.PEAK_FACTOR * self.megabytes

    @property
    def available(self) -> bool:
        """Whether what it needs is there."""
        return all(p.exists() for p in ((self.made_from,) if self.made_from else self.files))

    def prepare(self) -> None:
        """Make its files if they have to be made. Raises WorkerError."""
        if self.made_from:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            make_ir(self.made_from, self.path, float16=self.float16)


@dataclass(frozen=True)
class Folders:
    """Where models are; None: not given. `scratch` is for files that are made on the way, `folder` has any ONNX files."""

    models: Path | None
    omz: Path | None
    wheels: Path | None
    scratch: Path
    folder: Path | None = None


@contextmanager
def work_folder(scratch: Path, name: str) -> Iterator[Path]:
    """A new folder in `scratch` for as long as a network is measured."""
    folder = scratch / name
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def find_cases(folders: Folders, sets: Sequence[str], only: Collection[str], say: Callable[[str], None]) -> list[Case]:
    """The cases of the chosen sets, in their order (and networks, if `only` names some), whose files are there; `say` is told what is
    skipped."""
    makers: Mapping[str, Callable[[str], Iterator[Case]]] = {
        "onnx": lambda s: _zoo(folders, s, models.ONNX, "{}.onnx"), "ir10": lambda s: _zoo(folders, s, models.IR10, "ir10/{}.xml"),
        "ir11": lambda s: _ir11(folders, s), "ir11-fp16": lambda s: _ir11(folders, s), "omz": lambda s: _omz(folders, s),
        "rapidocr": lambda s: _wheels(folders, s, models.WHEELS), "rapidocr-dynamic": lambda s: _wheels(folders, s, models.WHEELS),
        "onnx-more": lambda s: _zoo(folders, s, models.MORE, "{}.onnx"), "folder": lambda s: _any(folders, s),
        "wheels": lambda s: _other_wheels(folders, s),
        "onnx-dynamic": lambda s: _open_batch(folders, s), "onnx-open": lambda s: _open(s, folders.models, models.OPEN_ZOO),
        "wheels-open": lambda s: _open(s, folders.wheels, models.OPEN_WHEELS)}
    given = {"omz": (folders.omz, "give --omz DIR, the folder with the Open Model Zoo files"),
             "rapidocr": (folders.wheels, f"give --wheels DIR, where the unpacked wheel of {models.WHEEL_PACKAGE} is"),
             "wheels": (folders.wheels, "give --wheels DIR, where wheels are unpacked"),
             "folder": (folders.folder, "give --folder DIR, any folder with ONNX files")}
    found: list[Case] = []
    for name in sets:
        of_models = folders.models, f"give --models DIR, which `{HYDRATE}` fills"
        folder, advice = given.get(name.removesuffix("-dynamic").removesuffix("-open"), of_models)
        if folder is None:
            say(f"set {name} skipped: {advice}")
            continue
        wanted = [c for c in makers[name](name) if not only or c.network in only]
        there = [c for c in wanted if c.available]
        missing = [c.network for c in wanted if c not in there]
        if missing:
            say(f"set {name}: {', '.join(missing)} skipped: not in {folder}")
        found += there
    return found


def _zoo(folders: Folders, set_name: str, networks: Collection[str], pattern: str) -> Iterator[Case]:
    assert folders.models is not None
    for network in networks:
        yield Case(network, set_name, folders.models / pattern.format(network), models.limits_of(network, set_name))


def _ir11(folders: Folders, set_name: str) -> Iterator[Case]:
    assert folders.models is not None
    for network in models.IR11 if set_name == "ir11" else models.IR11_FP16:
        onnx, xml = folders.models / f"{network}.onnx", folders.scratch / set_name / f"{network}.xml"
        yield Case(network, set_name, xml, models.limits_of(network, set_name), made_from=onnx, float16=set_name == "ir11-fp16")


def _omz(folders: Folders, set_name: str) -> Iterator[Case]:
    assert folders.omz is not None
    for network in models.OMZ:
        yield Case(network, set_name, folders.omz / f"{network}.xml", models.limits_of(network, set_name))


def _any(folders: Folders, set_name: str) -> Iterator[Case]:
    assert folders.folder is not None
    for path in sorted(folders.folder.glob("*.onnx")):
        yield Case(path.stem, set_name, path, models.limits_of(path.stem, set_name))


def _open_batch(folders: Folders, set_name: str) -> Iterator[Case]:
    assert folders.models is not None
    for network, file in models.OPEN_BATCH.items():
        yield Case(network, set_name, folders.models / file.path, models.limits_of(network, set_name), ("--batch=-1",),
                   runs=tuple(file.shape(n) for n in models.DYNAMIC_BATCHES))


def _open(set_name: str, folder: Path | None, networks: Mapping[str, models.Open]) -> Iterator[Case]:
    assert folder is not None
    for network, each in networks.items():
        options = tuple(f"--input-shape={name}={','.join(map(str, shape))}" for name, shape in each.shapes.items())
        yield Case(network, set_name, folder / each.path, models.limits_of(network, set_name), options, each.shapes, each.runs,
                   text=each.text, integers=models.INTEGERS.get(network, 2))


def _other_wheels(folders: Folders, set_name: str) -> Iterator[Case]:
    assert folders.wheels is not None
    yield from _wheels(folders, set_name, models.OTHER_WHEELS)
    for network, path in models.FIXED_WHEELS.items():
        yield Case(network, set_name, folders.wheels / path, models.limits_of(network, set_name))


def _wheels(folders: Folders, set_name: str, wheels: Mapping[str, models.Wheel]) -> Iterator[Case]:
    assert folders.wheels is not None
    dynamic = set_name.endswith("-dynamic")
    for network, wheel in wheels.items():
        shapes = wheel.shape(-1 if dynamic else 1)
        options = tuple(f"--input-shape={name}={','.join(map(str, shape))}" for name, shape in shapes.items())
        yield Case(network, set_name, folders.wheels / wheel.path, models.limits_of(network, set_name), options, shapes,
                   tuple(wheel.shape(n) for n in (models.DYNAMIC_BATCHES if dynamic else (1,))), text=wheels is models.WHEELS,
                   integers=models.INTEGERS.get(network, 2))
