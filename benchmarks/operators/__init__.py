"""Random cases of single operators: `draw` has what they are drawn with; others draw the operators of ONNX in families, and the operations
of OpenVINO; `onnx_models` and `openvino_models` make models of cases and run them, `judge` compares."""

from benchmarks.operators import (  # noqa: F401 - they register drawers
    elementwise,
    indexing,
    layers,
    movement,
    openvino_elementwise,
    openvino_indexing,
    openvino_movement,
    openvino_products,
    openvino_sampling,
    openvino_windowed,
    products,
    reduction,
    windowed,
)
from benchmarks.operators.draw import DRAWERS, Draw, Size, Spec
from benchmarks.operators.openvino_operations import OPERATIONS

__all__ = ["DRAWERS", "OPERATIONS", "Draw", "Size", "Spec"]
