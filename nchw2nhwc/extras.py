"""What is installed of the extra `keras`."""

from __future__ import annotations

from importlib.util import find_spec

from nchw2nhwc.errors import OptionError


def has_tensorflow() -> bool:
    """Whether Keras models can be made here."""
    return find_spec("tensorflow") is not None and find_spec("keras") is not None


def require_tensorflow() -> None:
    """Raises OptionError when TensorFlow is not installed."""
    if not has_tensorflow():
        raise OptionError("TensorFlow is not installed, which Keras models, SavedModels, .h5 and .pb files are made with",
                          advice="pip install 'nchw2nhwc[keras]'")
