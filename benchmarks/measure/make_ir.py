"""Worker: an IR v11 of an ONNX file, by the installed OpenVINO. Job: `onnx`, `xml` (to write), `float16`. Answer: OpenVINO's version."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from measure.child import reply, serve, work


def make_ir(onnx: Path, xml: Path, *, float16: bool) -> None:
    """Run the worker. Raises WorkerError."""
    work("make_ir", {"onnx": str(onnx), "xml": str(xml), "float16": float16})


def main(argv: Sequence[str]) -> int:
    import openvino

    job, answer = serve(argv)
    openvino.save_model(openvino.convert_model(str(job["onnx"])), str(job["xml"]), compress_to_fp16=bool(job["float16"]))
    reply(answer, openvino.__version__)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
