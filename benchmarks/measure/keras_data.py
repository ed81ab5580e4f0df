"""What the Keras target is held to, and on which networks each thing is measured: data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from measure import models

FORMS: Mapping[str, str] = {
    "keras": "NAME.keras by keras.models.load_model", "h5": "NAME.h5 by the same",
    "weights": "NAME_architecture.json by keras.models.model_from_json, NAME.weights.h5 by load_weights",
    "saved_model": "NAME_saved_model by tf.saved_model.load, its signature serving_default",
    "pb": "NAME.pb by tf.graph_util.import_graph_def",
}
"""The files of a conversion and what opens each, by the name of the target."""

TFLITE_AGAIN = "TF's TFLite"
"""The SavedModel turned into a TFLite file by TensorFlow's own converter, run in LiteRT."""

TARGETS = ("tflite", *FORMS)
"""What `--to` is given."""

REARRANGEMENTS = ("TRANSPOSE", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH")
"""TFLite operators that Keras has no layer for but Reshape and Permute: a Keras model may have as many transposes as there are of these."""

BACKEND_NETWORKS = (
    "mobilenet_v2", "mobilenet_v3_large", "resnet18", "resnet50", "densenet121", "googlenet", "squeezenet", "shufflenet_v2",
    "efficientnet_b0", "inception_v3", "deeplabv3_mnv3", "lraspp_mnv3", "hrnet_w18_small", "semnasnet_100", "ghostnet_100", "repvgg_a0",
    "res2net50", "vgg11_bn", "u2netp", "pose3_resnet34", "yolov4ish", "r3d_18", "efficientdet_d0", "convnext_tiny", "poolformer_s12",
)
"""Convolutional networks of the zoo whose .keras file is run with Keras' other backends too (from the set `onnx`)."""

SPEED_NETWORKS = (
    "mobilenet_v2", "resnet50", "mobilenet_v3_large", "densenet121", "efficientnet_b0", "googlenet", "deeplabv3_mnv3", "resnet18",
    "squeezenet", "yolov4ish",
)
"""Networks of the zoo that are converted to a Keras model in memory against the clock, by the peer too."""

SPEED_ALONE = ("swin_t",)
"""More of them, not by the peer: this one takes it 40 times as long as us, which would weigh too much in the mean."""

SPEED_GEOMEAN = 3.0
"""How many times faster than the peer that must be, as the geometric mean over the networks."""

SPEED_LIMITS: Mapping[str, float] = {"mobilenet_v2": 3.0, "resnet50": 5.0, "swin_t": 15.0}
"""Seconds it may take at most."""


@dataclass(frozen=True)
class Training:
    """A network that is trained on: the ONNX file, the data (`digits`: scanned digits with black and white swapped, so that there is
    something to learn; `noise`: one batch of random pictures with random labels), the batch size and the learning rate of Adam."""

    network: str
    data: str
    batch: int
    rate: float


TRAINING = (Training("mobilenet_v2", "noise", 8, 1e-3), Training("densenet121", "noise", 4, 1e-3), Training("digits", "digits", 64, 1e-3))
"""MobileNet's file has no batch norms left, those of DenseNet and of the digits network cannot be or are not folded."""

STEPS = 20
"""Steps of `Model.fit`."""

SETS: Mapping[str, str] = {
    **{name: text for name, text in {**models.SETS, **models.MORE_SETS}.items() if not name.endswith("-open")},
    "training": "training on of " + ", ".join(t.network for t in TRAINING),
    "speed": f"seconds of a conversion to a Keras model in memory, {len(SPEED_NETWORKS) + len(SPEED_ALONE)} networks of the zoo",
}
"""The sets, in the order in which they run."""
