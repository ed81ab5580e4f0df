"""The layers of an IR that suppress boxes."""

from __future__ import annotations

from nchw2nhwc.parse.openvino.document import Layer

SUPPRESSING = frozenset(("NonMaxSuppression", "NonMaxSuppressionIEInternal", "NMSRotated", "MatrixNms", "MulticlassNms", "DetectionOutput",
                         "ExperimentalDetectronDetectionOutput"))
"""Types of layers. Proposal and GenerateProposals suppress boxes too, but are followed by the rest of the network."""

MEASURING = frozenset(("ShapeOf",))
"""Types of layers whose results depend on shapes alone."""


def suppresses(layer: Layer) -> bool:
    """Whether a layer, or one in its bodies, suppresses boxes."""
    return layer.type in SUPPRESSING or any(suppresses(inner) for body in layer.bodies.values() for inner in body.document.layers.values())
