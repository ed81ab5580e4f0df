"""Draw docs/keras_resnet18.svg: the Keras model of a network, as keras.utils.plot_model sees it.

    pip install '.[keras]' pydot && apt-get install graphviz
    python docs/keras_picture.py resnet18.onnx
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras

import nchw2nhwc


def main(model: Path) -> None:
    """Draw the model beside this file."""
    network = nchw2nhwc.convert(model).keras()
    keras.utils.plot_model(network, str(Path(__file__).with_name(f"keras_{model.stem}.svg")), show_layer_names=True, dpi=72)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
