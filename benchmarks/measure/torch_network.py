"""Worker, in an environment of its own with torch and torchvision: a network as an ONNX file, or as litert-torch converts it.

Job: `network` (a function of torchvision.models), `file` (what to write: .onnx or .tflite). Answer: null.

The weights are the same every time. What torchvision makes all one number (the scales and shifts of norms, heads of zeros) is drawn: a
converter that sees a scale of 0 may leave out the whole branch.
"""

from __future__ import annotations

import sys
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

from measure.child import reply, serve

if TYPE_CHECKING:
    from torch import Tensor, nn

SHAPES = {"r3d_18": (1, 3, 16, 112, 112), "inception_v3": (1, 3, 299, 299)}
IMAGE = (1, 3, 224, 224)


def _network(name: str) -> tuple[nn.Module, Tensor]:
    """A network and its operand."""
    import torch
    from torchvision.models import get_model_builder

    torch.manual_seed(0)
    builder = get_model_builder(name)
    undrawn = {"weights", "weights_backbone"} & signature(builder).parameters.keys()
    model: nn.Module = builder(**dict.fromkeys(undrawn)).eval()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point() and tensor.numel() > 1 and bool((tensor == tensor.flatten()[0]).all()):
                tensor.uniform_(0.5, 1.5)
    return model, torch.randn(SHAPES.get(name, IMAGE))


def _export(model: nn.Module, operand: Tensor, file: Path) -> None:
    if file.suffix == ".onnx":
        import torch

        torch.onnx.export(model, (operand,), file, dynamo=False, opset_version=17)
    else:
        import litert_torch

        litert_torch.convert(model, (operand,)).export(str(file))


def main(argv: list[str]) -> int:
    """Do the job."""
    job, answer = serve(argv)
    _export(*_network(str(job["network"])), Path(str(job["file"])))
    reply(answer, None)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
