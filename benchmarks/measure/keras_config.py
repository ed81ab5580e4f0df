"""What a Keras model's architecture, as JSON, says about itself; Keras is not needed to read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MOVES = ("Permute", "Transpose", "Moveaxis", "Swapaxes")
"""Classes of layers and ops that do nothing but rearrange axes."""


@dataclass(frozen=True)
class ConfigFacts:
    """The number of layers and ops; how many of them rearrange axes; the layers that need code of their own to load (class not Keras', or
    Lambda); the layers that have a number for a name."""

    layers: int
    transposes: int
    foreign: tuple[str, ...]
    numbered: tuple[str, ...]


def read_config(path: Path) -> ConfigFacts:
    """Read an architecture file."""
    objects = list(_objects(json.loads(path.read_text(encoding="utf-8"))))
    layers = [o for o in objects if "inbound_nodes" in o]
    names = [str(layer.get("name", "")) for layer in layers]
    foreign = [f"{o['class_name']} of {o.get('module')}" for o in objects if not _standard(o)]
    moves = [layer for layer in layers if layer["class_name"] in MOVES]
    return ConfigFacts(len(layers), len(moves), tuple(dict.fromkeys(foreign)),
                       tuple(name for name in names if re.fullmatch(r"[\d_.]*", name)))


def _objects(value: object) -> Iterator[Mapping[str, object]]:
    """Every serialized object, however deep."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


def _standard(entry: Mapping[str, object]) -> bool:
    """Whether Keras alone can make it: a class of its own that is not made of stored Python code, or one of its notations for plain values,
    such as `__tuple__`. What others register is called `package>name`."""
    name, module = str(entry["class_name"]), str(entry.get("module"))
    if re.fullmatch(r"__\w+__", name):
        return name != "__lambda__"
    registered = str(entry.get("registered_name") or "")
    return name != "Lambda" and module.split(".")[0] == "keras" and ">" not in registered
