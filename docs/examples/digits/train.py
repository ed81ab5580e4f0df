"""Train the digits network and export it to digits.onnx and digits.xml/.bin (OpenVINO IR v11) beside this file.

Only needed to make the model again; the exported files are in the repository.

    pip install torch onnx openvino scikit-learn
    python docs/examples/digits/train.py
"""

from __future__ import annotations

from pathlib import Path

import openvino
import torch
from split import images
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
EPOCHS = 30
BATCH = 32


class Digits(nn.Module):
    """(N, 1, 8, 8) images to (N, 10) logits: a strided convolution, a residual block, two branches that are concatenated, a flatten."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.block = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
                                   nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))
        self.down = nn.Sequential(nn.ReLU(), nn.Conv2d(16, 24, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU())
        self.narrow = nn.Conv2d(24, 8, 1)
        self.wide = nn.Conv2d(24, 16, 3, padding=1)
        self.norm = nn.Sequential(nn.BatchNorm2d(24), nn.ReLU(), nn.Dropout(0.3))
        self.classifier = nn.Linear(24 * 4 * 4, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        x = self.down(x + self.block(x))
        x = self.norm(torch.cat([self.narrow(x), self.wide(x)], dim=1))
        return self.classifier(torch.flatten(x, 1))


def train(model: Digits) -> None:
    """Adam with a cosine schedule; the same seed gives the same weights on the same version of torch."""
    x, y = (torch.from_numpy(a) for a in images(held_out=False))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for epoch in range(EPOCHS):
        model.train()
        total = 0.0
        for chosen in torch.randperm(len(x)).split(BATCH):
            loss = nn.functional.cross_entropy(model(x[chosen]), y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        schedule.step()
        print(f"epoch {epoch + 1:2}: loss {total / len(x):.4f}, test accuracy {accuracy(model):.2%}")


@torch.no_grad()
def accuracy(model: Digits) -> float:
    """The share of the held-out images that the model classifies correctly."""
    model.eval()
    x, y = (torch.from_numpy(a) for a in images(held_out=True))
    return float((model(x).argmax(1) == y).double().mean())


def export(model: Digits) -> None:
    """Write the files, with a batch dimension of any size; batch norms stay separate ops in the ONNX file, as trained."""
    model.eval()
    onnx_file = HERE / "digits.onnx"
    torch.onnx.export(model, (torch.zeros(1, 1, 8, 8),), str(onnx_file), input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}}, opset_version=17, dynamo=False,
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    openvino.save_model(openvino.convert_model(onnx_file), HERE / "digits.xml")


def main() -> None:
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    model = Digits()
    train(model)
    export(model)


if __name__ == "__main__":
    main()
