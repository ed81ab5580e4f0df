"""Writes what can be derived of an operator into a checkout, and says what is left to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nchw2nhwc.debug.fixture import Fixture
from nchw2nhwc.debug.fixture.files import fixture_files
from nchw2nhwc.debug.scaffold.checkout import FIXTURES, registered, require_checkout
from nchw2nhwc.debug.scaffold.code import KERAS, TFLITE, Module, lowering_module, mapping_module, op_module
from nchw2nhwc.debug.scaffold.onnx_operator import onnx_operator
from nchw2nhwc.debug.scaffold.openvino_operator import openvino_operator
from nchw2nhwc.debug.scaffold.operator import Operator
from nchw2nhwc.errors import OptionError, OutputError
from nchw2nhwc.files import Staging
from nchw2nhwc.ops import REGISTRY
from nchw2nhwc.source import Format, Source

LARGE = 200_000
"""Bytes of a fixture that are too many for one operator."""

_SPELLINGS = "nchw2nhwc/parse/openvino/attributes.py"


@dataclass(frozen=True)
class Step:
    """Something left to do, and where: "file:line", "file" or "" for none."""

    place: str
    text: str


@dataclass(frozen=True)
class Scaffold:
    """What `write` has written (paths below the checkout) and what is left to do. `fixture` is the fixture's folder, "" for none."""

    operator: Operator
    written: tuple[str, ...]
    registered: tuple[str, ...]
    fixture: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Plan:
    """What is going to be scaffolded: the layer and its operator, and the modules. Made before anything expensive is done."""

    checkout: Path
    operator: Operator
    layer: str
    in_main_graph: bool
    modules: tuple[Module, ...]
    fixture: str


def plan(source: Source, layer: str, checkout: Path, op_class: bool) -> Plan:
    """Find a layer, derive its operator's signature and see that nothing that has to be written is there.

    Raises OptionError for a folder that is no checkout, a layer that does not exist or that is supported, OutputError for a file that is
    there already, and what reading the model raises.
    """
    require_checkout(checkout)
    find = onnx_operator if source.format is Format.ONNX else openvino_operator
    operator, name, in_main_graph = find(source, layer)
    modules = [mapping_module(operator, op_class)]
    if op_class:
        if operator.type in REGISTRY:
            raise OptionError(f"there is an op {operator.type} already", advice="Leave --op-class out, and map the operator to that op.")
        modules += [op_module(operator), lowering_module(operator, TFLITE), lowering_module(operator, KERAS)]
    fixture = f"{FIXTURES}/{operator.name}/{re.sub(r'[^A-Za-z0-9._-]+', '_', source.stem)}"
    for path in (*(m.path for m in modules), fixture):
        if (checkout / path).exists():
            raise OutputError(f"{checkout / path} is there already; nothing is overwritten",
                              advice="Go on with an earlier scaffold, or remove it. Add by hand to code of that name for others.")
    return Plan(checkout, operator, name, in_main_graph, tuple(modules), fixture)


def write(made: Plan, fixture: Fixture | None) -> Scaffold:
    """Write all files, or none of them. Raises OutputError."""
    root = made.checkout
    contents = {root / m.path: m.code.encode() for m in made.modules}
    changed: dict[Path, str] = {}
    registered_ones = [m for m in made.modules if m.registry]
    for m in registered_ones:
        file = root / m.registry
        package = str(Path(m.registry).parent).replace("/", ".")
        changed[file] = registered(changed.get(file) or file.read_text(encoding="utf-8"), package, m.name, str(file))
    contents |= {file: text.encode() for file, text in changed.items()}
    if fixture is not None:
        contents |= {root / made.fixture / name: content for name, content in fixture_files(fixture).items()}
    with Staging() as staging:
        for file in contents:
            staging.add(file)
        for file, content in contents.items():
            with staging.open(file) as opened:
                opened.write(content)
        staging.commit()
    return Scaffold(made.operator, tuple(m.path for m in made.modules), tuple(m.registry for m in registered_ones),
                    "" if fixture is None else made.fixture, (*_steps(made), *_too_large(made, fixture)))


def _steps(made: Plan) -> Sequence[Step]:
    """What is left to do, in the order in which it is best done."""
    first, *others = made.modules
    steps = [Step(f"{first.path}:{_line(first, 'def ')}", text) for text in _unsure(made.operator)]
    for module in (*others, first):
        steps += [Step(f"{module.path}:{_line(module, todo.mark)}", todo.text) for todo in module.todo]
    misspelled = [a for a in made.operator.attributes if a.name != a.spelling]
    steps += [Step(_SPELLINGS, f'_SPELLINGS: "{a.name}": "{a.spelling}"') for a in misspelled]
    return steps


def _too_large(made: Plan, fixture: Fixture | None) -> Sequence[Step]:
    """Advice where a fixture is larger than is good for the repository."""
    size = 0 if fixture is None else sum(map(len, fixture_files(fixture).values()))
    return [Step(made.fixture, f"a smaller fixture: it has {size / 1e6:.1f} MB; cut it out of a smaller model, or with --input-shape")
            ] if size > LARGE else []


def _unsure(operator: Operator) -> Sequence[str]:
    """What the signature may not say as well as it could."""
    found = [] if operator.origin.endswith("schema") else [
        f"the signature: it is that of {operator.origin}; compare names and optional operands with the operator's documentation"]
    numbers = [a.name for a in operator.attributes if a.annotation == "int" and a.default in (None, "None", "0", "1")]
    if numbers and operator.format is Format.ONNX:
        found.append(f"the signature: `bool` says that an integer is 0 or 1, `DType` that it is an element type: {', '.join(numbers)}")
    return found


def _line(module: Module, mark: str) -> int:
    """The number of the first line with a mark."""
    return next(k for k, line in enumerate(module.code.splitlines(), 1) if mark in line)
