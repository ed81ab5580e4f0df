"""A stored graph as a Keras functional model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
from keras import layers

from nchw2nhwc.emit.keras import (  # noqa: F401  (importing these fills the table of lowerings)
    lower_activations,
    lower_algebra,
    lower_dynamic,
    lower_elementwise,
    lower_indexing,
    lower_movement,
    lower_recurrent,
    lower_selection,
    lower_suppression,
    lower_windowed,
)
from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.keras.lowering import LOWERINGS
from nchw2nhwc.emit.keras.names import valid_name
from nchw2nhwc.errors import Location
from nchw2nhwc.ir import Graph, Origin

if TYPE_CHECKING:
    from keras import KerasTensor


@dataclass(frozen=True)
class Network:
    """A model, for the names of its layers the layer of the source that each comes from, and for the names of the graph's values the layer
    or function whose result each is. `trainable` says which graph it was made of, `wide` that TensorFlow's own converter to TFLite
    takes a `narrow` model only."""

    model: keras.Model
    layers: Mapping[str, Origin]
    tensors: Mapping[str, str]
    trainable: bool
    wide: bool


def emit_keras(graph: Graph, *, trainable: bool = False, narrow: bool = False) -> Network:
    """The functional model of a stored graph (channels-last), in the graph's order of inputs and outputs.

    Sizes that are not known are None. Layers are named after the source's. `trainable` makes weights of all constants that values are
    computed with but single numbers. `narrow` splits transposes of so many axes that TensorFlow's own converter does not take them. Raises
    TargetError that lists every layer which Keras cannot express.
    """
    e = Emitter(graph, trainable=trainable, narrow=narrow)
    LOWERINGS.lower(e, graph)
    outputs = _outputs(e, graph)
    name = valid_name(graph.name, "model")
    model = keras.Model(e.inputs[0] if len(e.inputs) == 1 else e.inputs, outputs[0] if len(outputs) == 1 else outputs, name=name)
    return Network(model, e.origins, e.tensor_names(), trainable, e.wide and not narrow)


def _outputs(e: Emitter, graph: Graph) -> list[KerasTensor]:
    """The outputs, each a tensor of its own that is no input: those that are not go through an Identity layer."""
    taken = {id(t) for t in e.inputs}
    outputs = []
    for value, name in zip(graph.outputs, graph.output_names):
        e.where = Location(graph.source, name, "Output")
        tensor = e.of(value)
        if id(tensor) in taken:
            tensor = layers.Identity(name=e.names.take(name, "output"))(tensor)
        taken.add(id(tensor))
        outputs.append(tensor)
    return outputs
