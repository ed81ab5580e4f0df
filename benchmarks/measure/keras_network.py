"""Measure the Keras target on one network: convert and compare every file, time, train on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from measure import keras_data, ours
from measure.cases import Case, work_folder
from measure.child import Environment, WorkerError
from measure.flatfile import FileFacts, read_facts
from measure.keras_config import read_config
from measure.keras_data import FORMS, TFLITE_AGAIN, Training
from measure.keras_files import Tried, convert_again, tensorflow_names, try_forms
from measure.keras_rows import FilesRow, SpeedRow, TrainingRow, judge_files, judge_speed, judge_training
from measure.keras_speed import time_ours, time_peer
from measure.keras_training import DIGITS, train
from measure.litert import compare, largest
from measure.models import limits_of
from measure.network import Expected, expect
from measure.ours import Conversion


@dataclass(frozen=True)
class Settings:
    """What is measured: the environments of other backends by name, whether TensorFlow's own TFLite converter is tried, the peer's
    environment (None: no peer) and how often conversions are timed. `scratch` is a folder for files on the way."""

    backends: Mapping[str, Environment]
    tf_converter: bool
    peer: Environment | None
    rounds: int
    scratch: Path


# ---- files -------------------------------------------------------------------------------------------------------------
def measure_files(case: Case, settings: Settings) -> FilesRow:
    """Convert a network to everything, open every file and judge it. Never raises for what the network or the product does: the row says
    it."""
    row = FilesRow(case.network, case.set)
    try:
        case.prepare()
        with work_folder(settings.scratch, f"{case.set}-{case.network}") as folder:
            _files(case, settings, folder, row)
    except WorkerError as error:
        row.error = f"the source cannot be run or made: {error}"
    row.failures = judge_files(row)
    return row


def _files(case: Case, settings: Settings, folder: Path, row: FilesRow) -> None:
    made = ours.convert_with_report(case, folder / "out", "--to", ",".join(keras_data.TARGETS))
    if isinstance(made, str):
        outcome, _ = ours.convert(case, folder / "out")
        row.error, row.skipped = ("", outcome.reason) if not outcome.ok else (made, "")
        return
    row.seconds, row.peak_mb = made.outcome.seconds, made.outcome.peak_mb
    _read(made, row)
    expected = expect(case, folder)
    _try(made, expected, dict.fromkeys(FORMS), None, row)
    if settings.tf_converter:
        _converted_again(made, expected, folder, row)
    if case.set == "onnx" and case.network in keras_data.BACKEND_NETWORKS:
        for name, environment in settings.backends.items():
            _try(made, expected, {"keras": name}, environment, row)


def _read(made: Conversion, row: FilesRow) -> None:
    """What the architecture says, beside the TFLite file."""
    config, facts = read_config(_path(made, "_architecture.json")), read_facts(made.file)
    row.layers, row.transposes, row.foreign, row.numbered = config.layers, config.transposes, config.foreign, config.numbered
    row.allowed = max(rearrangements(facts), int(made.report["transposes"]["count"]))


def rearrangements(facts: FileFacts) -> int:
    """How many operators of a TFLite file do what Keras needs a transpose for."""
    return sum(facts.operators[name] for name in keras_data.REARRANGEMENTS)


def _path(made: Conversion, ending: str) -> Path:
    """A file of a conversion."""
    return made.file.with_name(made.file.name.removesuffix("_float32.tflite") + ending)


def _try(made: Conversion, expected: Expected, forms: Mapping[str, str | None], environment: Environment | None, row: FilesRow) -> None:
    """Open files, by form; what came of each goes into the column that the form is mapped to (None: of its own name)."""
    endings = {"keras": ".keras", "h5": ".h5", "weights": ".weights.h5", "saved_model": "_saved_model", "pb": ".pb"}
    files = {form: _path(made, endings[form]) for form in forms}
    try:
        tried = try_forms(files, made.inputs, made.outputs, expected.arrays, *([environment] if environment else []))
    except WorkerError as error:
        tried = {form: Tried(problem=str(error)) for form in forms}
    for form, column in forms.items():
        outcome = tried[form]
        row.errors[column or form] = largest(outcome.get("errors", [None]))
        if "problem" in outcome:
            row.problems[column or form] = outcome["problem"]


def _converted_again(made: Conversion, expected: Expected, folder: Path, row: FilesRow) -> None:
    """What TensorFlow's own converter makes of the SavedModel."""
    file, taken = folder / "again.tflite", set[str]()
    inputs, outputs = ([replace(port, name=name) for port, name in zip(some, tensorflow_names([p.name for p in some], kind, taken))]
                       for some, kind in ((made.inputs, "input"), (made.outputs, "output")))
    try:
        problem = convert_again(_path(made, "_saved_model"), file)
        if not problem:
            row.errors[TFLITE_AGAIN] = largest(compare(file, inputs, outputs, expected.arrays, xnnpack=True))
    except WorkerError as error:
        problem = str(error)
    if problem:
        row.problems[TFLITE_AGAIN] = problem


# ---- training ----------------------------------------------------------------------------------------------------------
def training_case(training: Training, models: Path | None) -> Case | None:
    """The network as a case; None when its folder is not given or has no such file."""
    folder = DIGITS if training.data == "digits" else models
    if folder is None or not (folder / f"{training.network}.onnx").exists():
        return None
    return Case(training.network, "training", folder / f"{training.network}.onnx", limits_of(training.network, "training"),
                ("--batch=-1", "--trainable"))


def measure_training(training: Training, case: Case, settings: Settings) -> TrainingRow:
    """Convert a network for training on, train it, and judge. Never raises for what the product does: the row says it."""
    row = TrainingRow(case.network)
    try:
        with work_folder(settings.scratch, f"training-{case.network}") as folder:
            _training(training, case, folder, row)
    except WorkerError as error:
        row.error = str(error)
    row.failures = judge_training(row)
    return row


def _training(training: Training, case: Case, folder: Path, row: TrainingRow) -> None:
    made = ours.convert_with_report(case, folder / "out", "--to", "tflite,keras")
    if isinstance(made, str):
        row.error = made
        return
    before = FilesRow(case.network, case.set)
    (declared,) = made.report["inputs"]
    shape = tuple(1 if size == -1 else size for size in declared["source_shape"])
    _try(made, expect(replace(case, runs=({declared["name"]: shape},)), folder), {"keras": None}, None, before)
    row.parity, row.error = before.errors["keras"], before.problems.get("keras", "")
    if row.error:
        return
    trained = train({"file": str(_path(made, ".keras")), "perm": declared["perm"], "data": training.data, "batch": training.batch,
                     "rate": training.rate, "steps": keras_data.STEPS, "source": str(case.path)})
    row.losses, row.weights, row.unreached = trained["losses"], trained["weights"], trained["unreached"]
    row.norms, row.source_norms, row.unchanged = trained["norms"], trained["source_norms"], trained["unchanged"]
    row.source_accuracy, row.accuracy = trained["source_accuracy"], trained["accuracy"]


# ---- speed -------------------------------------------------------------------------------------------------------------
def measure_speed(model: Path, settings: Settings) -> SpeedRow:
    """Time conversions, ours and the peer's in turns, every other round the other way round. Never raises for what a converter does: the
    row says it."""
    row = SpeedRow(model.stem)
    with work_folder(settings.scratch, f"speed-{model.stem}") as folder:
        for number in range(settings.rounds):
            turns = (_time_ours, _time_peer) if number % 2 == 0 else (_time_peer, _time_ours)
            for turn in turns:
                turn(model, settings, folder, row)
        if row.error:
            outcome, _ = ours.convert(Case(model.stem, "speed", model, limits_of(model.stem, "speed")), folder / "out")
            row.error, row.skipped = ("", outcome.reason) if not outcome.ok else (row.error, "")
    row.failures = judge_speed(row)
    return row


def _time_ours(model: Path, settings: Settings, folder: Path, row: SpeedRow) -> None:
    try:
        row.seconds += [] if row.error else [time_ours(model)["seconds"]]
    except WorkerError as error:
        row.error = str(error)


def _time_peer(model: Path, settings: Settings, folder: Path, row: SpeedRow) -> None:
    """It overwrites the model, so every run gets a copy, made before the clock starts."""
    if settings.peer is None or row.peer_error or row.error or row.network in keras_data.SPEED_ALONE:
        return
    copy = folder / model.name
    shutil.copyfile(model, copy)
    try:
        row.peer_seconds.append(time_peer(copy, folder / "peer", settings.peer)["seconds"])
    except WorkerError as error:
        row.peer_error = str(error)
