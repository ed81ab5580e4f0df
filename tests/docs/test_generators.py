"""The tables that the site takes from the code are complete."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from onnx import defs

from docs.generators import NOTE, TABLES, building, command_line, coverage, expand, marks, migration, schema
from docs.generators.markdown import cell
from nchw2nhwc.cli import main
from nchw2nhwc.cli_openvino2tensorflow import ACCEPTED, REPLACED
from nchw2nhwc.commands import SUBCOMMANDS
from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.ops import REGISTRY
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.parse.onnx.control import CONTROL
from nchw2nhwc.parse.onnx.missing import REASONS as ONNX_REASONS
from nchw2nhwc.parse.onnx.registry import MAPPINGS
from nchw2nhwc.parse.onnx.sequences import SEQUENCES
from nchw2nhwc.parse.openvino.missing import REASONS
from nchw2nhwc.parse.openvino.registry import NEWEST_OPSET, mappings
from tests.docs.pages import PAGES


def first_cells(text: str) -> list[str]:
    """What the first column of a table holds, without code marks."""
    return [line.split(" | ")[0].strip("| ").replace("`", "") for line in text.splitlines() if line.startswith("| `")]


def test_every_table_stands_on_one_page_and_no_page_asks_for_another() -> None:
    asked = [name for page in PAGES for name in marks(page.read_text(encoding="utf-8"))]
    assert sorted(asked) == sorted(TABLES)


@pytest.mark.usefixtures("keras")
def test_a_page_says_how_to_see_its_tables() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert NOTE.findall(text) == ([f"docs/{page.name}"] if marks(text) else []), page.name
        assert not NOTE.search(expand(text)), page.name


@pytest.mark.parametrize("command", command_line.COMMANDS)
def test_every_flag_is_in_the_command_line_reference(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the commands' own help, so that a group of options that the page does not know is found too."""
    given = [] if command == "convert" else command.split()
    with pytest.raises(SystemExit):
        main([*given, "--help"])
    spelled = set(re.findall(r"^ +(--?[a-z][\w-]*)(?:,| |$)", capsys.readouterr().out, re.MULTILINE))
    text = command_line.options(command) + (command_line.options("convert") if command in ("bisect", "inspect") else "")
    shown = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", text))
    assert spelled - shown - ACCEPTED.keys() == {"-h", *(["--version"] if command == "convert" else [])}


def test_every_command_is_in_the_command_line_reference() -> None:
    assert {command.split()[0] for command in command_line.COMMANDS} == {"convert", *SUBCOMMANDS}


def test_every_flag_of_openvino2tensorflow_is_answered() -> None:
    assert {cell.split()[0] for cell in first_cells(migration.understood())} == set(ACCEPTED)
    assert first_cells(migration.replaced()) == list(REPLACED)


def test_every_op_is_a_building_block_and_every_family_says_what_to_write() -> None:
    assert [re.split(r"\W", name)[0] for name in first_cells(building.ops())] == sorted(REGISTRY)
    assert all(re.search(r"`\w+`", line.split(" | ")[2]) for line in building.families().splitlines() if line.startswith("| `"))


@pytest.mark.parametrize("table", [building.onnx, building.openvino, building.tflite, building.decompositions, building.attributes])
def test_every_helper_says_what_it_does(table: Callable[[], str]) -> None:
    rows = [line for line in table().splitlines() if line.startswith("| `")]
    assert len(rows) > 5
    assert all(re.search(r"` \| \S.*\.? \|$", row) for row in rows), rows


def test_every_kernel_is_listed() -> None:
    assert first_cells(coverage.kernels()) == sorted(KERNELS)


def test_the_schema_of_the_report_is_up_to_date() -> None:
    assert schema.FILE.read_text(encoding="utf-8") == schema.schema(), "run python -m docs.generators.schema"


@pytest.mark.parametrize(("text", "shown"), [
    ("a  b\n c", "a b c"), ("see --to keras", "see `--to` keras"), ("'\\,' and a * b", "'\\\\,' and a \\* b"),
    ("`a * b`, |x|", "`a * b`, \\|x\\|"),
    ("a < -x", "a \\< -x"),
])
def test_text_as_a_cell(text: str, shown: str) -> None:
    assert cell(text) == shown


# ---- coverage ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def keras() -> None:
    """Tables that speak of the Keras target need it."""
    pytest.importorskip("keras")


@pytest.mark.usefixtures("keras")
def test_every_op_class_is_listed_with_every_target() -> None:
    lines = [line for line in coverage.targets().splitlines() if line.startswith("| `")]
    assert first_cells("\n".join(lines)) == sorted(REGISTRY)
    assert all(len(re.split(r"(?<!\\)\|", line)) == 8 for line in lines)


@pytest.mark.usefixtures("keras")
def test_every_onnx_operator_is_listed() -> None:
    listed = first_cells(coverage.onnx_supported())
    assert listed == [f"{domain}.{name}" if domain else name for domain, name in sorted(MAPPINGS)]
    known = {s.name for s in defs.get_all_schemas_with_history() if not s.domain and coverage.in_force(s.name)}
    defined, missing = set(re.findall(r"`(\w+)`", coverage.onnx_defined())), set(first_cells(coverage.onnx_missing()))
    assert "MeanVarianceNormalization" in listed
    assert "SoftmaxCrossEntropyLoss" in defined
    assert not defined & missing
    assert not (defined | missing) & set(listed)
    assert known <= defined | missing | set(listed) | {*CONTROL, *SEQUENCES, "Scatter"}, "Scatter has been replaced"


def test_every_operator_of_onnx_is_read_or_has_a_reason_not_to_be() -> None:
    """An operator that is new in ONNX would be missing without a reason, which is an error."""
    assert first_cells(coverage.onnx_missing()) == sorted(ONNX_REASONS)


@pytest.mark.usefixtures("keras")
def test_every_layer_type_is_listed() -> None:
    assert first_cells(coverage.openvino_supported()) == sorted({m.type for m in mappings()})


def test_every_operation_of_openvino_is_read_or_has_a_reason_not_to_be() -> None:
    """Operations whose names are not those of layer types would be missing without a reason, which is an error."""
    missing = first_cells(coverage.openvino_missing())
    assert sorted(missing) == sorted(REASONS)
    assert {"MatrixNms", "ROIPooling", "Loop"} <= {name for names in coverage.operations().values() for name in names} - {*missing}
    *_, newest = coverage.openvino_opsets().splitlines()
    opset, _, operations, read = (int(text) for text in newest.strip("| ").split(" | "))
    assert opset == NEWEST_OPSET
    assert operations - read == len(missing)


def test_what_a_mapping_becomes() -> None:
    """For each op class there is something that becomes it: the code is read completely."""
    from docs.generators.mentions import ops_of

    made: set[type[Op]] = set()
    for versions in MAPPINGS.values():
        made |= {cls for mapping in versions.values() for cls in ops_of(mapping.function)}
    made |= {cls for each in mappings() for cls in ops_of(each.function)} | {cls for each in CONTROL.values() for cls in ops_of(each)}
    inside = {"Atan2", "FullyConnected", "LayerNorm", "SquaredDifference", "Rsqrt", "QuantizeDequantize"}
    assert {cls.__name__ for cls in REGISTRY.values() if cls not in made and cls.__module__.startswith("nchw2nhwc.")} <= inside
    assert ops_of(MAPPINGS["", "Relu"][14].function) == (Relu,)
    assert ops_of(MAPPINGS["", "Clip"][6].function) == (Clip,)
