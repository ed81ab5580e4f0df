"""What the documentation takes from the code: tables that are made while the site is built.

A page says `<!-- generated: NAME -->` on a line of its own where the table called NAME (see `TABLES`) has to stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from docs.generators import building, command_line, coverage, devices, migration

TABLES: Mapping[str, Callable[[], str]] = {
    **{f"command-{name.replace(' ', '-')}": partial(command_line.options, name) for name in command_line.COMMANDS},
    "openvino2tensorflow-understood": migration.understood,
    "openvino2tensorflow-replaced": migration.replaced,
    **{f"onnx2tf-{subject.lower().replace(' ', '-')}": partial(migration.onnx2tf, subject) for subject in migration.ANSWERS},
    "onnx-operators": coverage.onnx_supported,
    "onnx-operators-defined": coverage.onnx_defined,
    "onnx-operators-missing": coverage.onnx_missing,
    "openvino-operations": coverage.openvino_supported,
    "openvino-operations-missing": coverage.openvino_missing,
    "openvino-opsets": coverage.openvino_opsets,
    "target-ops": coverage.targets,
    "tflite-kernels": coverage.kernels,
    "devices": devices.devices,
    **{f"device-{name}": partial(devices.rows, name) for name in devices.TABLES},
    "layout-rules": building.rules,
    "ops": building.ops,
    "op-families": building.families,
    "op-attributes": building.attributes,
    "onnx-mapping-helpers": building.onnx,
    "openvino-mapping-helpers": building.openvino,
    "tflite-lowering-helpers": building.tflite,
    "keras-lowering-helpers": building.keras,
    "decomposition-helpers": building.decompositions,
}
"""Every generated table by name; calling it gives Markdown."""

NOTE = re.compile(r"^\*Tables on this page are made from the code: `python -m docs\.generators (docs/[\w-]+\.md)`[^*]*\*\n\n", re.MULTILINE)
"""What a page says where its tables are not in place, as in a list of files."""

_MARK = re.compile(r"^<!-- generated: ([a-z0-9-]+) -->$", re.MULTILINE)


def marks(text: str) -> list[str]:
    """The names of the tables that a page asks for."""
    return _MARK.findall(text)


def expand(text: str) -> str:
    """A page with its tables in place, and without the note that they are not. Raises KeyError for a table that does not exist."""
    return _MARK.sub(lambda match: TABLES[match[1]](), NOTE.sub("", text))
