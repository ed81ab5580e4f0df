"""Quantized files of whole conversions, from Python and from the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import helper, numpy_helper

import nchw2nhwc
from nchw2nhwc.checking.inputs import load_inputs
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.errors import OptionError, TargetError
from nchw2nhwc.metadata import read_tflite
from nchw2nhwc.options.quantize import MODES, QuantizeOptions
from tests.digits import DIGITS, ONNX, main
from tests.quantize.models import conv, network, pixel_weights, samples

FILES = {mode: f"digits_{ending}.tflite" for mode, ending in MODES.items()}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of digits to calibrate with."""
    from sklearn.datasets import load_digits

    file = tmp_path_factory.mktemp("data") / "digits.npz"
    np.savez(file, image=(load_digits().images[:60, None] / 16).astype(np.float32))
    return file


def types(file: Path) -> tuple[str, str]:
    interpreter = Interpreter(model_path=str(file))
    return tuple(np.dtype(d[0]["dtype"]).name for d in (interpreter.get_input_details(), interpreter.get_output_details()))


def test_all_modes(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    assert main(ONNX, "-o", tmp_path, "--quantize", ",".join(MODES), "--calibration", data, "--report", report, "--min-sqnr", "20") == 0
    made = json.loads(report.read_text())
    assert {mode: Path(file["path"]).name for mode, file in made["files"].items()} == {"float32": "digits_float32.tflite", **FILES}
    assert {types(tmp_path / name) for mode, name in FILES.items() if mode != "int8-full"} == {("float32", "float32")}
    assert types(tmp_path / FILES["int8-full"]) == ("int8", "int8")
    least = {"dynamic": 38, "int8": 34, "int8-full": 34, "int16x8": 42, "weight8": 42, "weight4": 20}
    for mode, found in made["quantizations"].items():
        assert found["outputs"]["logits"]["sqnr"] > least[mode], mode
        assert found["plain"]["logits"] > least[mode] - 4, mode
        assert found["samples"] == 12
        assert found["data"] == "held out of digits.npz"
        assert {layer["layer"] for layer in found["layers"]} >= {"/stem/stem.0/Conv", "/block/block.0/Conv"}
    assert "top-1 agreement 100.00%" in capsys.readouterr().out
    for mode in ("int8-full", "weight8"):
        checked = nchw2nhwc.check(ONNX, tmp_path / FILES[mode], layers=True, inputs=load_inputs(data))
        assert checked.passed
        assert checked.tolerance == 0.1
        assert checked.layers is not None
        assert min(layer.cosine for layer in checked.layers.layers) > 0.999
    read = read_tflite(tmp_path / FILES["int8-full"])
    assert (read.inputs[0].perm, read.inputs[0].dtype) == ((0, 2, 3, 1), "int8")
    assert read.tensors == read_tflite(tmp_path / "digits_float32.tflite").tensors
    assert (tmp_path / FILES["float16"]).read_bytes() == nchw2nhwc.convert(ONNX).tflite(float16=True)


def test_flags_of_openvino2tensorflow(tmp_path: Path, data: Path) -> None:
    with np.load(data) as images:
        np.save(tmp_path / "nhwc.npy", images["image"].transpose(0, 2, 3, 1))
    assert main("--model_path", ONNX, "--model_output_path", tmp_path, "--output_weight_quant_tflite",
                "--output_dynamic_range_quant_tflite", "--output_full_integer_quant_tflite", "--output_integer_quant_type", "uint8",
                "--disable_per_channel", "--load_dest_file_path_for_the_calib_npy", tmp_path / "nhwc.npy", "--quiet") == 0
    assert sorted(f.name for f in tmp_path.glob("*quant.tflite")) == sorted(FILES[m] for m in ("weight8", "dynamic", "int8-full"))
    assert types(tmp_path / FILES["int8-full"]) == ("uint8", "uint8")
    scales = [d["quantization_parameters"]["scales"].size for d in Interpreter(
        model_path=str(tmp_path / FILES["int8-full"])).get_tensor_details()]
    assert max(scales) == 1


def test_interfaces(data: Path) -> None:
    converted = nchw2nhwc.convert(ONNX)
    for mode, entries, wanted in (("int8", ["int8"], ("int8", "int8")), ("int8", ["image=uint8"], ("uint8", "float32")),
                                  ("int8-full", ["logits=float32"], ("int8", "float32")), ("int16x8", ["int16"], ("int16", "int16")),
                                  ("int16x8", ["image=int8"], ("int8", "float32"))):
        content = converted.tflite(quantize=QuantizeOptions([mode], calibration=data, io_dtype=entries))
        interpreter = Interpreter(model_content=content)
        found = [d[0] for d in (interpreter.get_input_details(), interpreter.get_output_details())]
        assert tuple(np.dtype(d["dtype"]).name for d in found) == wanted
        assert [d["name"].split(":")[0] != "" and bool(d["quantization"][0]) for d in found] == [w != "float32" for w in wanted]
        interpreter.allocate_tensors()
        interpreter.invoke()


def test_kept_and_mixed(tmp_path: Path) -> None:
    """A tensor in which one channel, which does not matter, is far larger than the others: what makes and what reads it has to stay."""
    spoiled = pixel_weights(8, 8)
    spoiled[0] *= 300
    nodes = [conv("c", "d", "spoiled", "v"), conv("d", "e", "calm", "u"), helper.make_node("Relu", ["e"], ["f"], "relu"),
             conv("f", "y", "last", "u")]
    keep = np.zeros((8, 8, 1, 1))
    keep[np.arange(8), np.arange(8)] = 1
    keep[0] = 0
    keep[:, 0] = 0
    converted = nchw2nhwc.convert(network(nodes, v=spoiled, u=keep))
    options = {"calibration": samples(12), "min_sqnr": 0.0}

    def measured(**more: object) -> tuple[float, tuple[str, ...]]:
        from nchw2nhwc.quantize.run import Quantization

        quantization = Quantization(converted, QuantizeOptions(["int8"], **options, **more))  # type: ignore[arg-type]
        found = quantization.accuracy("int8", quantization.content("int8"))
        return found.sqnr, found.kept

    bad, _ = measured()
    good, _ = measured(keep_float=["spoiled", "calm"])
    assert bad < 20 < 30 < good
    reached, kept = measured(auto_mixed=30.0)
    assert reached >= 30
    assert set(kept) == {"spoiled", "calm"}
    reached, kept = measured(auto_mixed=30.0, mixed_with="int16")
    assert reached >= 30
    assert set(kept) == {"spoiled", "calm"}
    with pytest.raises(OptionError, match="cannot be reached"):
        measured(auto_mixed=190.0)
    with pytest.raises(OptionError, match=r"'spoile'.*\n.*Similar names: spoiled"):
        measured(keep_float=["spoile"])


def test_a_recipe(tmp_path: Path) -> None:
    """GPTQ, which needs more of the samples than ranges."""
    recipe, model, data = tmp_path / "fc.json", tmp_path / "m.onnx", tmp_path / "data.npz"
    weights = {"num_bits": 4, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT"}
    recipe.write_text(json.dumps([{"regex": ".*", "operation": "FULLY_CONNECTED", "algorithm_key": "GPTQ", "op_config": {
        "weight_tensor_config": weights, "compute_precision": "FLOAT", "explicit_dequantize": True}}]))
    rng = np.random.default_rng(1)
    dense = [helper.make_node("ReduceMean", ["c"], ["m"], "mean", axes=[2, 3], keepdims=0),
             helper.make_node("MatMul", ["m", "v"], ["d"], "d"), helper.make_node("Relu", ["d"], ["r"], "r"),
             helper.make_node("MatMul", ["r", "u"], ["y"], "dense")]
    onnx.save(network(dense, v=rng.normal(size=(8, 256)), u=rng.normal(size=(256, 40))), model)
    np.savez(data, x=np.concatenate([sample["x"] for sample in samples()]))
    assert main(model, "-o", tmp_path, "--quantize", recipe, "--quiet") == 2
    assert main(model, "-o", tmp_path, "--quantize", recipe, "--calibration", data, "--quiet") == 0
    assert (tmp_path / "m_fc_quant.tflite").stat().st_size < 0.5 * (tmp_path / "m_float32.tflite").stat().st_size
    pixels = network([helper.make_node("Reshape", ["c", "rows"], ["r"], "rows"), helper.make_node("MatMul", ["r", "m"], ["y"], "dense")],
                     rows=np.array([1, 8, 64]), m=rng.normal(size=(64, 32)))
    with pytest.raises(TargetError, match=r"(?s)could not be broadcast.*over the last axis"):
        nchw2nhwc.convert(pixels).tflite(quantize=QuantizeOptions([str(recipe)], calibration=samples()))
    unknown = json.dumps([{"regex": ".*", "operation": "?", "algorithm_key": "x", "op_config": {}}])
    for text, message in (("[", "no JSON"), ('{"a": 1}', "list of rules"), (unknown, "does not take")):
        recipe.write_text(text)
        with pytest.raises(OptionError, match=message):
            nchw2nhwc.convert(ONNX).tflite(quantize=str(recipe))


@pytest.mark.parametrize("operation", ["*", "BATCH_MATMUL"])
def test_a_recipe_with_several_scales_for_products(operation: str, tmp_path: Path) -> None:
    """Integer kernels of matrix products have one for a constant operand, and would make nonsense of several."""
    def config(bits: int, **more: object) -> dict[str, object]:
        return {"num_bits": bits, "symmetric": True, "dtype": "INT", **more}

    recipe, rng = tmp_path / "own.json", np.random.default_rng(2)
    recipe.write_text(json.dumps([{"regex": ".*", "operation": operation, "algorithm_key": "min_max_uniform_quantize", "op_config": {
        "activation_tensor_config": config(8) | {"symmetric": False, "granularity": "TENSORWISE"},
        "weight_tensor_config": config(8, granularity="CHANNELWISE"), "compute_precision": "INTEGER", "explicit_dequantize": False}}]))
    weights = rng.normal(size=(3, 8, 16)) * np.exp(rng.uniform(-3, 1, (3, 1, 16)))
    product = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [helper.make_tensor_value_info("x", 1, (3, 5, 8))],
                                [helper.make_tensor_value_info("y", 1, (3, 5, 16))],
                                [numpy_helper.from_array(weights.astype(np.float32), "w")])
    given = [{"x": rng.normal(size=(3, 5, 8)).astype(np.float32)} for _ in range(8)]
    converted = nchw2nhwc.convert(helper.make_model(product, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    content = converted.tflite(quantize=QuantizeOptions([str(recipe)], calibration=given))
    for plain in (False, True):
        found = LoadedFile(content, converted.inputs, plain=plain).run(converted.outputs, given[0])["y"]
        wanted = given[0]["x"] @ weights
        assert 10 * np.log10(np.square(wanted).sum() / np.square(found - wanted).sum()) > 30
    assert [note for note in converted.report["notes"] if note.startswith("own.json: constant operands of matrix products get one scale")]


def test_images(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(6):
        Image.fromarray(rng.integers(0, 256, (24, 16), np.uint8)).save(folder / f"{k}.png")
    for resize in ("stretch", "crop", "pad"):
        assert main(ONNX, "-o", tmp_path, "--quantize", "int8", "--calibration", folder, "--calibration-scale", "255",
                    "--calibration-resize", resize, "--quiet") == 0


def test_raw_images(tmp_path: Path) -> None:
    """Preprocessing is in the model: pixels are fed as they are, so that both cannot disagree."""
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    for k in range(6):
        Image.fromarray(np.random.default_rng(k).integers(0, 256, (8, 8), np.uint8)).save(folder / f"{k}.png")
    raw = [ONNX, "-o", tmp_path, "--scale", "255", "--input-dtype", "uint8", "--quantize", "int8,int8-full", "--calibration", folder]
    assert main(*raw, "--min-sqnr", "25", "--quiet") == 0
    assert types(tmp_path / FILES["int8-full"]) == ("uint8", "int8")
    assert main(*raw, "--calibration-scale", "255", "--quiet") == 2


def test_bad_data_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    x = np.zeros((3, 1, 8, 8), np.float32)
    np.savez(tmp_path / "layout.npz", image=x.transpose(0, 2, 3, 1))
    np.savez(tmp_path / "nan.npz", image=x * np.nan)
    np.savez(tmp_path / "shape.npz", image=x[..., :7])
    np.savez(tmp_path / "text.npz", image=x.astype(str))
    np.savez(tmp_path / "objects.npz", image=x.astype(object))
    np.savez(tmp_path / "name.npz", picture=x)
    (tmp_path / "half.npz").write_bytes((tmp_path / "layout.npz").read_bytes()[:200])
    for folder in ("empty", "broken", "half", "plain"):
        (tmp_path / folder).mkdir()
    picture = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(picture, "png")
    (tmp_path / "half" / "b.png").write_bytes(picture.getvalue()[:900])
    (tmp_path / "broken" / "a.png").write_bytes(b"\x89PNG no image")
    (tmp_path / "plain" / "a.png").write_bytes((tmp_path / "broken" / "a.png").read_bytes())
    for given, message in ((["layout.npz"], "--calibration-layout result"), (["nan.npz"], "NaN"), (["empty"], "neither an array"),
                           (["broken", "--calibration-scale", "255"], "a.png: the image cannot be read"),
                           (["half", "--calibration-scale", "255"], "b.png: the image cannot be read"),
                           (["shape.npz"], "has the shape [3, 1, 8, 7]"), (["text.npz"], "no numbers"), (["objects.npz"], "no sound"),
                           (["half.npz"], "no sound"), (["name.npz"], "'picture' is not an input"),
                           (["plain"], "nothing says which ones"), (["none.npz"], "No such file")):
        assert main(ONNX, "-o", tmp_path / "out", "--quantize", "int8", "--calibration", tmp_path / given[0], *given[1:], "--quiet") == 2
        assert message in capsys.readouterr().err
    assert main(ONNX, "-o", tmp_path / "out", "--quantize", "int8", "--quiet") == 2
    assert "--calibration DATA" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_random_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ONNX, "-o", tmp_path, "--quantize", "int8", "--calibration", "random") == 0
    out = capsys.readouterr().out
    assert "held out of random numbers" in out
    assert "Calibrated with random numbers" in out


def test_random_samples_are_as_large_as_needed() -> None:
    """64 rows are not enough for seven halvings."""
    halve = {"kernel_shape": [2, 2], "strides": [2, 2]}
    pools = [helper.make_node("MaxPool", [f"h{k}"], [f"h{k + 1}"], f"pool{k}", **halve) for k in range(7)]
    nodes = [conv("c", "h0", "mixed"), *pools, conv("h7", "y", "last", "u")]
    source = network(nodes, v=pixel_weights(8, 8), u=pixel_weights(4, 8))
    options = QuantizeOptions(["int8"], calibration="random")
    assert nchw2nhwc.convert(source, input_shape={"x": [1, 4, -1, -1]}).tflite(quantize=options)


def test_below_the_limit(tmp_path: Path) -> None:
    assert main(DIGITS / "digits.xml", "-o", tmp_path, "--quantize", "weight4", "--min-sqnr", "90", "--quiet") == 3


def test_a_source_that_is_quantized_already() -> None:
    graph = network([helper.make_node("QuantizeLinear", ["c", "s", "z"], ["q"], "q"),
                     helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], "d"), conv("d", "y", "last")],
                    v=pixel_weights(4, 8), s=np.array(0.05))
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array(0, np.int8), "z"))
    with pytest.raises(OptionError, match=r"quantized already.*\n.*--dequantize"):
        nchw2nhwc.convert(graph).tflite(quantize="dynamic")
    assert nchw2nhwc.convert(graph, dequantize=True).tflite(quantize="dynamic")


def test_options_that_contradict() -> None:
    for options in ({"quantize": ["int9"]}, {"calibration": "random"}, {"quantize": ["dynamic"], "io_dtype": ["int8"]},
                    {"quantize": ["int8"], "io_dtype": ["int8", "uint8"]}, {"quantize": ["int8"], "io_dtype": ["int4"]},
                    {"quantize": ["int16x8"], "auto_mixed": 30.0, "mixed_with": "int16"}, {"quantize": ["int8"], "weights": "best"},
                    {"quantize": ["int8"], "calibration_samples": 0}, {"weights": "mse"}, {"min_sqnr": 20.0},
                    {"quantize": ["int8"], "mixed_with": "int16"}):
        with pytest.raises(OptionError):
            QuantizeOptions(**options)  # type: ignore[arg-type]


def test_a_float_output_that_integers_are_made_of() -> None:
    """It is given out as it is, not as the copy that is rounded for what reads it inside."""
    converted = nchw2nhwc.convert(network([conv("c", "y", "last")], outputs=("c", "y"), v=pixel_weights(4, 8)))
    content = converted.tflite(quantize=QuantizeOptions(["int8"], calibration=samples(), keep_float=["first"]))
    found, wanted = (LoadedFile(each, converted.inputs).run(converted.outputs, samples(1)[0]) for each in (content, converted.tflite()))
    assert sorted(found) == ["c", "y"]
    np.testing.assert_allclose(found["c"], wanted["c"], atol=1e-5)
