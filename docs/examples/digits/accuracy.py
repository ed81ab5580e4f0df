"""Test accuracy of the digits network before and after conversion, on the 360 held-out images of scikit-learn's handwritten digits.

    pip install '.[test]'
    python docs/examples/digits/accuracy.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from split import images

import nchw2nhwc

HERE = Path(__file__).resolve().parent


def source_logits(x: np.ndarray) -> np.ndarray:
    """Logits of the ONNX file in ONNX Runtime."""
    session = onnxruntime.InferenceSession(HERE / "digits.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": x})
    return logits


def converted_logits(source: Path, x: np.ndarray, *, float16: bool) -> np.ndarray:
    """Logits of the converted file in LiteRT. The layouts of input and output are the ones that the conversion declares."""
    converted = nchw2nhwc.convert(source)
    (image,), (logits,) = converted.inputs, converted.outputs
    interpreter = Interpreter(model_content=converted.tflite(float16=float16))
    entry, leave = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    interpreter.resize_tensor_input(entry, image.to_result(x).shape, strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry, image.to_result(x))
    interpreter.invoke()
    return logits.to_source(interpreter.get_tensor(leave))


def main() -> None:
    x, labels = images(held_out=True)
    rows = {"digits.onnx in ONNX Runtime": source_logits(x)}
    for name in ("digits.onnx", "digits.xml"):
        for float16 in (False, True):
            rows[f"{name} converted to {'float16' if float16 else 'float32'} TFLite"] = converted_logits(HERE / name, x, float16=float16)
    print(f"accuracy on {len(labels)} images")
    for name, logits in rows.items():
        right = int((logits.argmax(1) == labels).sum())
        print(f"  {name:<42} {right / len(labels):.2%} ({right} right)")


if __name__ == "__main__":
    main()
