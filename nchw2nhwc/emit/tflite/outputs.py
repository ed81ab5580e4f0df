"""A TFLite file that gives out more of its tensors."""

from __future__ import annotations

import struct
from collections.abc import Collection

from nchw2nhwc.emit.tflite.writer import LIMIT, field_position
from nchw2nhwc.errors import CheckError

_OUTPUTS = 2
"""Number of the field `SubGraph.outputs` in the schema."""


def giving_out(content: bytes, names: Collection[str]) -> bytes:
    """A TFLite file, given by its content, in which the tensors called `names` are outputs of the main subgraph too, behind its own; its
    signature is as it was.

    The longer list of outputs is put behind the file, and the subgraph's offset is set to it; so nothing else moves. Raises CheckError for
    a file that is too large for that.
    """
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    own = [int(index) for index in graph.OutputsAsNumpy()]
    more = [k for k in range(graph.TensorsLength()) if graph.Tensors(k).Name().decode() in names and k not in own]
    start = -(-len(content) // 4) * 4
    vector = struct.pack(f"<{1 + len(own) + len(more)}i", len(own) + len(more), *own, *more)
    if start + len(vector) > LIMIT:
        raise CheckError("the file is too large to give out tensors inside it")
    field = field_position(content, graph._tab.Pos, _OUTPUTS)
    wider = bytearray(content) + bytes(start - len(content)) + vector
    struct.pack_into("<I", wider, field, start - field)
    return bytes(wider)
