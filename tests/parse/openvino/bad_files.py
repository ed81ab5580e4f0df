"""Reads files that are wrong in a costly way; prints the seconds of each and then the most memory that was held.

Run as a process of its own: memory that other tests have held does not count.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

import numpy as np

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.ir_text import Written
from tests.parse.openvino.test_document import DTDS, EXCESS


def files() -> Iterator[tuple[str, bytes, bytes]]:
    """Name, .xml and .bin of each."""
    for name, content in {**DTDS, **EXCESS}.items():
        yield name, content, b""
    huge = np.array([10**5, 10**5, 10**5])
    yield "broadcast", *Written("Broadcast", [np.ones(1, np.float32), huge], (), {"mode": "numpy"}, "opset3").files()
    yield "tile", *Written("Tile", [np.ones((1, 1, 1), np.float32), huge]).files()
    yield "range", *Written("Range", [np.array(0), np.array(10**15), np.array(1)], (), {"output_type": "i64"},
                            "opset4").files()
    yield "one-hot", *Written("OneHot", [np.zeros(4096, np.int64), np.array(10**12), np.ones((), np.float32), np.zeros((), np.float32)],
                              (), {"axis": 0}).files()
    yield "pad", *Written("Pad", [np.ones((1, 1), np.float32), np.array([10**15, 0]), np.array([0, 0])], (),
                          {"pad_mode": "constant"}).files()
    yield "parts", *Written("VariadicSplit", [(10**5,), np.array(0), np.ones(10**5, np.int64)]).files()
    yield "equal parts", *Written("Split", [(10**9,), np.array(0)], (), {"num_splits": 10**9}).files()
    yield "parameter", *Written("ReLU", [(10**5, 10**5, 10**5)]).files()
    yield "axes", *Written("Unsqueeze", [(2,), np.arange(1, 5000)]).files()


def main() -> None:
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # Linux counts what the process that started this one had
    for name, xml, weights in files():
        start = time.perf_counter()
        try:
            read_openvino(xml, weights)
        except ConversionError:
            print(f"{time.perf_counter() - start:.3f} {name}")
        else:
            raise SystemExit(f"{name} was read without an error")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - inherited)


if __name__ == "__main__":
    main()
