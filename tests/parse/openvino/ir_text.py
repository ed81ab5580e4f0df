"""IRs written by hand: for what no OpenVINO writes, be it old or broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nchw2nhwc.ir import Array

Shape = Sequence[int]


def port(id: int, shape: Shape, names: str = "") -> str:
    """One <port>."""
    tensor = f' names="{names}"' if names else ""
    return f'<port id="{id}" precision="FP32"{tensor}>{"".join(f"<dim>{s}</dim>" for s in shape)}</port>'


def layer(id: int, type: str, name: str, *, version: str = "opset1", data: Mapping[str, object] | None = None, inputs: Sequence[Shape] = (),
          outputs: Sequence[Shape] = (), names: Sequence[str] = (), extra: str = "") -> str:
    """One <layer> with ports numbered from 0, those of results after those of operands."""
    attributes = "".join(f' {k}="{v}"' for k, v in (data or {}).items())
    into = "".join(port(k, s) for k, s in enumerate(inputs))
    out = "".join(port(len(inputs) + k, s, names[k] if k < len(names) else "") for k, s in enumerate(outputs))
    sides = "".join(f"<{side}>{ports}</{side}>" for side, ports in (("input", into), ("output", out)) if ports)
    head = f'<layer id="{id}" name="{name}" type="{type}" version="{version}"{extra}>'
    return f'{head}{"" if data is None else f"<data{attributes}/>"}{sides}</layer>\n'


def net(layers: Sequence[str], edges: Sequence[tuple[int, int, int, int]], version: int = 10) -> bytes:
    """The whole file; an edge is (from layer, from port, to layer, to port)."""
    lines = "".join(f'<edge from-layer="{a}" from-port="{b}" to-layer="{c}" to-port="{d}"/>\n' for a, b, c, d in edges)
    content = f'<layers>\n{"".join(layers)}</layers><edges>\n{lines}</edges>'
    return f'<?xml version="1.0"?>\n<net name="net" version="{version}">{content}</net>'.encode()


@dataclass
class Written:
    """The IR of one op between parameters and constants, and one result."""

    type: str
    operands: Sequence[Shape | Array]
    result: Shape = ()
    data: Mapping[str, object] = field(default_factory=dict)
    version: str = "opset1"
    ir: int = 10

    def files(self) -> tuple[bytes, bytes]:
        """The .xml and the .bin."""
        weights, layers, edges = b"", [], []
        for k, operand in enumerate(self.operands):
            if isinstance(operand, np.ndarray):
                element = {"float32": "f32", "int64": "i64", "bool": "boolean"}[operand.dtype.name]
                data = {"element_type": element, "shape": ",".join(map(str, operand.shape)), "offset": len(weights), "size": operand.nbytes}
                layers.append(layer(k, "Const", f"c{k}", data=data, outputs=[operand.shape]))
                weights += operand.tobytes()
            else:
                data = {"element_type": "f32", "shape": ",".join(map(str, operand))}
                layers.append(layer(k, "Parameter", f"in{k}", data=data, outputs=[operand]))
            edges.append((k, 0, len(self.operands), k))
        count = len(self.operands)
        shapes = [o.shape if isinstance(o, np.ndarray) else o for o in self.operands]
        layers.append(layer(count, self.type, "op", version=self.version, data=self.data, inputs=shapes, outputs=[self.result]))
        layers.append(layer(count + 1, "Result", "result", inputs=[self.result]))
        return net(layers, [*edges, (count, count, count + 1, 0)], self.ir), weights
