"""Variables of ReadValue and Assign layers."""

from __future__ import annotations

from nchw2nhwc.errors import SourceError
from nchw2nhwc.parse.openvino.document import Layer


def variable_of(layer: Layer) -> str:
    """The name of the variable of a ReadValue or Assign. Raises SourceError."""
    name = layer.data.get("variable_id", "")
    if not name:
        raise SourceError("it does not name its variable (variable_id)")
    return name
