"""The beginning of support for an operator, written into a copy of the package in which it has none, and then written to its end."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from onnx import helper
from openvino import opset1 as op1

from nchw2nhwc import cli
from nchw2nhwc.debug.scaffold.onnx_operator import onnx_operator
from nchw2nhwc.debug.scaffold.operator import Operator, python_name, sentence
from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.source import identify
from tests.digits import DIGITS, ONNX, ROOT, python
from tests.parse.onnx.models import model, node, tensor

MICROSOFT = "com.microsoft"
QUICK_GELU = "nchw2nhwc/parse/onnx/operators/quick_gelu.py"


def _without(file: Path, decorator: str) -> None:
    """Take the function with this decorator out of a file."""
    text = file.read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(decorator)}.*?(?=\n\n\n)\n\n\n", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{file} has changed"
    file.write_text(text.replace(found[0], ""), encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the repository, as far as it is needed, in which two operators are not supported."""
    copy = tmp_path / "clone"
    shutil.copytree(ROOT / "nchw2nhwc", copy / "nchw2nhwc", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / "tests" / "fixtures").mkdir(parents=True)
    _without(copy / "nchw2nhwc/parse/onnx/operators/contrib.py", '@onnx_op("QuickGelu", 1, domain=MICROSOFT)')
    _without(copy / "nchw2nhwc/parse/openvino/normalization.py", '@mapping("GRN", 1)')
    return copy


@pytest.fixture
def quick_gelu(tmp_path: Path) -> Path:
    """A model with com.microsoft.QuickGelu in its middle."""
    nodes = [node("Neg", "x", "n"), node("QuickGelu", "n", "a", name="act", domain=MICROSOFT, alpha=1.5), node("Relu", "a")]
    path = tmp_path / "net.onnx"
    onnx.save(model(nodes, [tensor("x", (1, 3, 4, 5))], domains=[MICROSOFT]), path)
    return path


def _run(checkout: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return python("-m", "nchw2nhwc", *arguments, cwd=checkout, PYTHONPATH=str(checkout))


def _scaffolded(checkout: Path, *arguments: str | Path) -> str:
    """What the command prints; the places that it names are those of code that is not written."""
    done = _run(checkout, "scaffold", *arguments)
    assert done.returncode == 0, done.stderr
    places = re.findall(r"^ +\d+\. (\S+):(\d+)$", done.stdout, re.MULTILINE)
    assert places
    for file, line in places:
        assert re.search(r"raise .*not written yet|rule =|^def ", (checkout / file).read_text().splitlines()[int(line) - 1])
    if find_spec("ruff") is not None:
        linted = python("-m", "ruff", "check", "nchw2nhwc", cwd=checkout)
        assert linted.returncode == 0, linted.stdout
    return done.stdout


def _fill(file: Path, *bodies: str) -> None:
    """Put these in the places of the statements that raise, one after the other."""
    parts = re.split(r"raise \w+\((?:[^\n]|\n {8,})*", file.read_text(encoding="utf-8"))
    assert len(parts) == len(bodies) + 1, f"{len(parts) - 1} statements raise in {file}"
    file.write_text("".join(piece for pair in zip(parts, (*bodies, "")) for piece in pair), encoding="utf-8")


def test_an_onnx_operator(checkout: Path, quick_gelu: Path) -> None:
    shown = _scaffolded(checkout, quick_gelu, "--layer", "act")
    fixture = "tests/fixtures/com.microsoft.QuickGelu/net"
    assert f"openvino2tf fixture run {fixture}" in shown
    code = (checkout / QUICK_GELU).read_text()
    assert "def quick_gelu(b: LayerBuilder, x: Value, *, alpha: float = 1.702) -> Value:" in code
    refused = _run(checkout, quick_gelu, "-o", checkout / "out")
    assert (refused.returncode, refused.stdout, (checkout / "out").exists()) == (2, "", False)
    assert "layer 'act' (com.microsoft.QuickGelu): the mapping of com.microsoft.QuickGelu is not written yet" in refused.stderr
    again = _run(checkout, "scaffold", quick_gelu, "--layer", "act")
    assert again.returncode == 2
    assert "is supported" in again.stderr
    assert (checkout / QUICK_GELU).read_text() == code
    _fill(checkout / QUICK_GELU, "return b.add1(Swish(alpha), x)\n\n\nfrom nchw2nhwc.ops.activation_functions import Swish")
    passed = _run(checkout, "fixture", "run", fixture, "--to", "tflite")
    assert (passed.returncode, passed.stdout.count("passed")) == (0, 2), passed.stderr


def test_an_openvino_operation(checkout: Path, tmp_path: Path) -> None:
    """OpenVINO says that the bias is a floating point number; the IR has 1."""
    x = op1.parameter([1, 3, 4, 5], name="x")
    grn = op1.grn(op1.relu(x), 1.0)
    grn.set_friendly_name("norm")
    openvino.serialize(openvino.Model([grn], [x], "m"), tmp_path / "net.xml")
    _scaffolded(checkout, tmp_path / "net.xml", "--layer", "norm", "-C", checkout)
    file = checkout / "nchw2nhwc/parse/openvino/grn.py"
    assert "def grn(b: Builder, x: Value, *, bias: float) -> Results:" in file.read_text()
    _fill(file, "return b.add1(NormalizeL2((1,), bias), x)\n\n\nfrom nchw2nhwc.ops.norm import NormalizeL2")
    passed = _run(checkout, "fixture", "run", "tests/fixtures/GRN/net", "--to", "tflite")
    assert (passed.returncode, passed.stdout.count("passed")) == (0, 2), passed.stderr


def test_an_op_class(checkout: Path, quick_gelu: Path) -> None:
    _scaffolded(checkout, quick_gelu, "--layer", "act", "--op-class")
    assert "return b.add1(QuickGelu(alpha=alpha), x)" in (checkout / QUICK_GELU).read_text()
    fixture = ("fixture", "run", "tests/fixtures/com.microsoft.QuickGelu/net", "--to", "tflite")
    assert "`infer` of QuickGelu is not written yet" in _run(checkout, *fixture).stderr
    _fill(checkout / "nchw2nhwc/ops/quick_gelu.py", "return x",
          "return np.asarray(x / (1 + np.exp(-self.alpha * x)), x.dtype)\n\n\nimport numpy as np")
    lowering = checkout / "nchw2nhwc/emit/tflite/lower_quick_gelu.py"
    assert "the lowering of QuickGelu to TFLite is not written yet" in _run(checkout, *fixture).stderr
    _fill(lowering, """x = node.input(0)
    scaled = e.run("MUL", [e.of(x), e.const(op.alpha, x.type.dtype)], x.type.dtype, x.shape, options("MulOptions"))
    e.op("MUL", [e.of(x), e.run("LOGISTIC", [scaled], x.type.dtype, x.shape)], [e.out(node)], options("MulOptions"))


from nchw2nhwc.emit.tflite.model import options""")
    passed = _run(checkout, *fixture)
    assert (passed.returncode, passed.stdout.count("passed")) == (0, 2), passed.stderr


def test_a_large_fixture_is_told(checkout: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    onnx.save(model([node("QuickGelu", "x", domain=MICROSOFT)], [tensor("x", (1, 3, 200, 200))], domains=[MICROSOFT]), path)
    shown = _scaffolded(checkout, path, "--layer", "y")
    assert re.search(r"tests/fixtures/com.microsoft.QuickGelu/large\n +a smaller fixture: it has \d\.\d MB", shown)


def test_nothing_is_written_where_something_is_there(checkout: Path, quick_gelu: Path) -> None:
    (checkout / QUICK_GELU).write_text("# mine\n")
    before = {path: path.read_bytes() for path in checkout.rglob("*.py")}
    done = _run(checkout, "scaffold", quick_gelu, "--layer", "act", "--op-class")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is there already" in done.stderr
    assert {path: path.read_bytes() for path in checkout.rglob("*.py")} == before
    assert not any((checkout / "tests" / "fixtures").iterdir())


def _failed(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The message of a scaffold that is refused."""
    assert cli.main(["scaffold", *map(str, arguments)]) == 2
    shown, message = capsys.readouterr()
    assert shown == ""
    return message


def test_what_cannot_be_scaffolded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = ("-C", ROOT)
    assert "Relu is supported; there is nothing to scaffold" in _failed(capsys, ONNX, "--layer", "/stem/stem.2/Relu", *there)
    assert "is supported" in _failed(capsys, DIGITS / "digits.xml", "--layer", "/stem/stem.2/Relu", *there)
    assert "Did you mean" in _failed(capsys, ONNX, "--layer", "/stem/stem.2/Rely", *there)
    assert "is no checkout of nchw2nhwc" in _failed(capsys, ONNX, "--layer", "x", "-C", tmp_path)
    assert "--layer NAME" in _failed(capsys, ONNX, *there)
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"nothing")
    assert "damaged" in _failed(capsys, damaged, "--layer", "x", *there)
    assert "cannot read it" in _failed(capsys, tmp_path / "none.onnx", "--layer", "x", *there)
    inside = helper.make_graph([node("Multinomial", "x", "r", name="deep")], "g", [], [tensor("r")])
    onnx.save(model([node("If", "c", "y", then_branch=inside, else_branch=inside)], [tensor("x"), tensor("c", (), np.bool_)]),
              tmp_path / "if.onnx")
    assert "is within another one" in _failed(capsys, tmp_path / "if.onnx", "--layer", "deep", *there)


def _operator(source: onnx.ModelProto, layer: str = "y") -> Operator:
    return onnx_operator(identify(source), layer)[0]


def test_a_signature_is_that_of_the_schema() -> None:
    found = _operator(model([node("Multinomial", "x")]))
    assert (found.name, found.version, found.results, found.origin) == ("Multinomial", 7, 1, "the onnx package's schema")
    assert {a.parameter for a in found.attributes} == {"dtype: int = 6", "sample_size: int = 1", "seed: float | None = None"}
    mapper = _operator(model([node("CategoryMapper", "x", domain="ai.onnx.ml")], domains=["ai.onnx.ml"]))
    assert {a.parameter for a in mapper.attributes} == {
        "cats_int64s: Ints | None = None", "cats_strings: Strings | None = None", "default_int64: int = -1",
        "default_string: str = \"_Unused\""}


def test_without_a_schema_it_is_that_of_the_nodes() -> None:
    nodes = [node("Strange", "x x", "a", domain="my", kind="a"), node("Strange", "a", "y", domain="my", kind="b", B=[1.5])]
    found = _operator(model(nodes, domains=["my"]))
    assert [(o.name, o.presence.name) for o in found.operands] == [("x0", "REQUIRED"), ("x1", "OPTIONAL")]
    assert [a.parameter for a in found.attributes] == ["kind: str", "B: Floats | None = None"]
    assert (found.name, found.version, found.origin) == ("my.Strange", 1, "the 2 layers of this type in the model")


def test_operators_that_no_mapping_can_describe() -> None:
    body = helper.make_graph([node("Relu", "x", "r")], "g", [], [tensor("r")])
    with pytest.raises(UnsupportedError, match="attribute 'body' of Strange is a GRAPH"):
        _operator(model([node("Strange", "x", domain="my", body=body)], domains=["my"]))


def test_names() -> None:
    assert [python_name(n) for n in ("CDist", "QLinearConv", "Not", "exclude-pad", "X", "2D")] == [
        "c_dist", "q_linear_conv", "not_", "exclude_pad", "x", "x2_d"]
    assert python_name("b", {"b"}) == "b_"
    assert sentence("First <b>one</b>. Second.") == "First one."
    assert sentence('Says "no".') == ""
