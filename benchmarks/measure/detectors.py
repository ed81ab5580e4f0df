"""Detectors of torchvision with open heights and widths: images are resized and padded by what is computed of their sizes, and data decides
how many boxes there are."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

SIZES = {"min_size": 160, "max_size": 256}


class Detector(nn.Module):
    """A detector of one image. What its layers normalise by is drawn: as it is made, it finds nothing."""

    names = ("image",)
    results: tuple[str, ...] = ("boxes", "labels", "scores")
    open_axes = {"image": {1: "height", 2: "width"}}

    def __init__(self, model: nn.Module, kept: Callable[[dict[str, Tensor]], tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.model, self.kept = model, kept
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        (found,) = self.model([image])
        return self.kept(found)


def _of(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    from torchvision.models import detection

    more = {} if "320" in name else SIZES
    model = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=5, **more)
    if name.startswith("fcos"):
        model.score_thresh = 0.05
    found = Detector(model, lambda each: tuple(each[key] for key in Detector.results))
    return found, (torch.rand(3, 160, 224),)


def _masks() -> tuple[nn.Module, tuple[Tensor, ...]]:
    from torchvision.models import detection
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import mobilenet_backbone

    backbone = mobilenet_backbone(backbone_name="mobilenet_v3_large", weights=None, fpn=True, trainable_layers=6)
    anchors = AnchorGenerator(((32, 64, 128),) * 3, ((0.5, 1.0, 2.0),) * 3)
    model = detection.MaskRCNN(backbone, num_classes=4, rpn_anchor_generator=anchors, **SIZES)
    found = Detector(model, lambda each: tuple(each[key] for key in (*Detector.results, "masks")))
    found.results = (*Detector.results, "masks")
    return found, (torch.rand(3, 160, 224),)


DETECTORS: dict[str, Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]] = {
    **{name: (lambda name=name: _of(name)) for name in (
        "fasterrcnn_mobilenet_v3_large_320_fpn", "retinanet_resnet50_fpn", "fcos_resnet50_fpn", "ssdlite320_mobilenet_v3_large")},
    "maskrcnn_mobilenet_v3_large_fpn": _masks}
