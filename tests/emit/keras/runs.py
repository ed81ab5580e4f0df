"""Building Keras models of graphs and running them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from nchw2nhwc.emit.keras import emit_keras
from nchw2nhwc.emit.keras.passes import keras_source_passes, target_passes
from nchw2nhwc.ir import Array, Graph
from nchw2nhwc.layout import LayoutResult, solve_layout
from nchw2nhwc.passes import run_passes


def run_model(model: keras.Model, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of a model."""
    result = model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
    return [keras.ops.convert_to_numpy(y) for y in (result if isinstance(result, (list, tuple)) else [result])]


def assert_close(results: Sequence[Array], wanted: Sequence[Array], tolerance: float = 2e-5) -> None:
    """Shapes, element types and finite values agree."""
    for result, want in zip(results, wanted, strict=True):
        assert (result.dtype, result.shape) == (want.dtype, want.shape)
        if want.dtype.kind == "f":
            finite = np.isfinite(want)
            scale = max(1.0, float(np.max(np.abs(want), initial=0, where=finite)))
            np.testing.assert_allclose(result[finite], want[finite], rtol=tolerance, atol=tolerance * scale)
        else:
            np.testing.assert_array_equal(result, want)


def check_model(graph: Graph, inputs: Mapping[str, Array], wanted: Sequence[Array]) -> keras.Model:
    """Emit a graph, run it, compare, and compare once more after the configuration has made another model."""
    model = emit_keras(graph).model
    data = [inputs[v.name] for v in graph.inputs]
    assert_close(run_model(model, data), wanted)
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    assert_close(run_model(again, data), wanted)
    return model


def converted(graph: Graph, *, trainable: bool = False) -> LayoutResult:
    """A graph in source order as it is emitted."""
    run_passes(graph, keras_source_passes(trainable=trainable))
    layout = solve_layout(graph)
    run_passes(layout.graph, target_passes())
    return layout


def check_converted(graph: Graph, inputs: Mapping[str, Array], wanted: Sequence[Array], tolerance: float = 1e-4) -> keras.Model:
    """Convert a graph in source order, emit it, run it through the declared layouts and compare."""
    layout = converted(graph)
    model = emit_keras(layout.graph).model
    data = [np.ascontiguousarray(inputs[v.name].transpose(layout.inputs[v.name])) for v in layout.graph.inputs]
    perms = [layout.outputs[name] for name in layout.graph.output_names]
    results = [y.transpose(np.argsort(perm)) for y, perm in zip(run_model(model, data), perms, strict=True)]
    assert_close(results, wanted, tolerance)
    return model
