"""Small networks of families that libraries of image networks do not have, with drawn weights: audio, graphs, points, tables, scans."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as fn
from torch import Tensor, nn

Made: TypeAlias = tuple[nn.Module, tuple[Tensor, ...]]
Results: TypeAlias = "Tensor | tuple[Tensor, ...]"


class Network(nn.Module):
    """A function of its own parts and of operands."""

    def __init__(self, function: Callable[..., Results], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *operands: Tensor) -> Results:
        """What the function makes of them."""
        return self.function(self, *operands)


def _drawn(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape))


# ---- audio -----------------------------------------------------------------------------------------------------------
def separator() -> Made:
    """Strided convolutions, an LSTM and transposed convolutions with skips, as Demucs."""
    def run(net: Network, x: Tensor) -> Tensor:
        level = x.std(-1, keepdim=True)
        x, skips = x / (1e-5 + level), []
        for down in net.down:
            x = down(x)
            skips.append(x)
        x = net.project(net.memory(x.permute(2, 0, 1))[0]).permute(1, 2, 0)
        for up in net.up:
            skip = skips.pop()
            x = up(x + skip[..., (skip.shape[-1] - x.shape[-1]) // 2:][..., :x.shape[-1]])
        return x * level
    down = [nn.Sequential(nn.Conv1d(a, b, 8, 4), nn.ReLU(), nn.Conv1d(b, 2 * b, 1), nn.GLU(1)) for a, b in ((2, 16), (16, 32))]
    up = [nn.Sequential(nn.Conv1d(a, 2 * a, 3, padding=1), nn.GLU(1), nn.ConvTranspose1d(a, b, 8, 4)) for a, b in ((32, 16), (16, 2))]
    return Network(run, down=nn.ModuleList(down), up=nn.ModuleList(up), memory=nn.LSTM(32, 32, 2, bidirectional=True),
                   project=nn.Linear(64, 32)), (torch.randn(1, 2, 1364),)


def vocoder() -> Made:
    """Transposed convolutions and dilated ones with x + sin(ax)^2 / a between them and weight norms, as BigVGAN."""
    def run(net: Network, x: Tensor) -> Tensor:
        x = net.up(net.first(x))
        for dilated in net.blocks:
            x = x + dilated(x + torch.sin(net.slope * x) ** 2 / net.slope)
        return torch.tanh(net.last(x))
    normed = nn.utils.parametrizations.weight_norm
    blocks = nn.ModuleList(normed(nn.Conv1d(16, 16, 7, dilation=d, padding=3 * d)) for d in (1, 3, 9))
    return Network(run, first=normed(nn.Conv1d(20, 32, 7, padding=3)), up=normed(nn.ConvTranspose1d(32, 16, 8, 4, 2)), blocks=blocks,
                   slope=nn.Parameter(torch.rand(1, 16, 1) + 0.5), last=normed(nn.Conv1d(16, 1, 7, padding=3))), (torch.randn(1, 20, 24),)


def spectral_mask() -> Made:
    """A spectrum, its magnitude through a convolution, and the spectrum scaled by that."""
    window = torch.hann_window(64)

    def run(net: Network, x: Tensor) -> Results:
        spectrum = torch.stft(x, 64, 16, window=window, return_complex=True)
        mask = torch.sigmoid(net.conv(spectrum.abs()[:, None]))[:, 0]
        return torch.view_as_real(spectrum) * mask[..., None], torch.log1p(spectrum.abs())
    return Network(run, conv=nn.Conv2d(1, 1, 3, padding=1)), (torch.randn(1, 512),)


def dilated_causal() -> Made:
    """Causal convolutions with growing dilations and residuals (TCN)."""
    def run(net: Network, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        for k, conv in enumerate(net.convs):
            x = fn.relu(x + conv(fn.pad(x, (2 * 2**k, 0))))
        return net.head(x[:, :, -1])
    return Network(run, convs=nn.ModuleList(nn.Conv1d(8, 8, 3, dilation=2**k) for k in range(4)), head=nn.Linear(8, 4)), (
        torch.randn(1, 50, 8),)


# ---- graphs and points -----------------------------------------------------------------------------------------------
def graph_convolution() -> Made:
    """Means over the neighbours that a list of edges names."""
    def run(net: Network, x: Tensor, edges: Tensor) -> Tensor:
        for layer in net.layers:
            messages = layer(x)[edges[0]]
            degrees = torch.zeros(x.shape[0]).scatter_add(0, edges[1], torch.ones(edges.shape[1])).clamp(min=1)
            sums = torch.zeros(x.shape[0], messages.shape[1]).scatter_add(0, edges[1][:, None].expand(-1, messages.shape[1]), messages)
            x = fn.relu(sums / degrees[:, None])
        return x.mean(0)
    return Network(run, layers=nn.ModuleList([nn.Linear(8, 16), nn.Linear(16, 16)])), (torch.randn(10, 8), torch.randint(0, 10, (2, 30)))


def nearest_points() -> Made:
    """Convolutions over the nearest points by distances of features (DGCNN)."""
    def run(net: Network, x: Tensor) -> Tensor:
        for conv in net.convs:
            points = x.transpose(1, 2)
            near = (-torch.cdist(points, points)).topk(5, -1)[1]
            neighbours = points[0][near[0].reshape(-1)].view(1, -1, 5, points.shape[-1])
            centre = points[:, :, None].expand(-1, -1, 5, -1)
            x = fn.leaky_relu(conv(torch.cat([neighbours - centre, centre], 3).permute(0, 3, 1, 2)), 0.2).max(-1)[0]
        return x
    return Network(run, convs=nn.ModuleList([nn.Conv2d(6, 16, 1), nn.Conv2d(32, 16, 1)])), (torch.randn(1, 3, 40),)


def farthest_points() -> Made:
    """Points that are far from one another, and features of what is around each (PointNet++)."""
    def run(net: Network, x: Tensor) -> Tensor:
        at, distance, centres = torch.zeros(x.shape[0], dtype=torch.long), torch.full(x.shape[:2], 1e10), []
        for _ in range(4):
            centre = torch.gather(x, 1, at[:, None, None].expand(-1, 1, 3))
            centres.append(centre)
            distance = torch.minimum(distance, ((x - centre) ** 2).sum(-1))
            at = distance.max(-1)[1]
        around = x[:, None] - torch.cat(centres, 1)[:, :, None]
        order = (around**2).sum(-1).sort(-1)[1][:, :, :8]
        near = torch.gather(around, 2, order[..., None].expand(-1, -1, -1, 3))
        return net.conv(near.permute(0, 3, 2, 1)).max(2)[0]
    return Network(run, conv=nn.Conv2d(3, 16, 1)), (torch.randn(1, 32, 3),)


# ---- tables and scans ------------------------------------------------------------------------------------------------
def sparse_attention_of_columns() -> Made:
    """Columns chosen by sparsemax, which sorts and sums up (TabNet)."""
    def chosen(z: Tensor) -> Tensor:
        ordered, _ = torch.sort(z, dim=-1, descending=True)
        above = ordered.cumsum(-1) - 1
        count = (torch.arange(1, z.shape[-1] + 1) * ordered > above).sum(-1, keepdim=True)
        return torch.clamp(z - above.gather(-1, count - 1) / count, min=0)

    def run(net: Network, x: Tensor) -> Tensor:
        found = torch.zeros(x.shape[0], 8)
        for attend, transform in zip(net.attend, net.transform):
            found = found + fn.relu(fn.glu(transform(chosen(attend(found) + x) * x)))
        return net.head(found)
    return Network(run, attend=nn.ModuleList(nn.Linear(8, 15) for _ in range(3)), transform=nn.ModuleList(
        nn.Linear(15, 16) for _ in range(3)), head=nn.Linear(8, 2)), (torch.randn(4, 15),)


def splines() -> Made:
    """Sums of B-splines of each input (KAN)."""
    knots = torch.arange(-3, 9).float() * 0.4 - 1

    def run(net: Network, x: Tensor) -> Tensor:
        at = x[..., None]
        basis = ((at >= knots[:-1]) & (at < knots[1:])).float()
        for k in range(1, 4):
            basis = ((at - knots[:-(k + 1)]) / (knots[k:-1] - knots[:-(k + 1)]) * basis[..., :-1]
                     + (knots[k + 1:] - at) / (knots[k + 1:] - knots[1:-k]) * basis[..., 1:])
        return net.base(fn.silu(x)) + net.curves(basis.flatten(1))
    return Network(run, base=nn.Linear(4, 8), curves=nn.Linear(32, 8)), (torch.randn(5, 4) * 0.5,)


def selective_scan() -> Made:
    """A state that every step decays and adds to as its input says (Mamba), unrolled."""
    def run(net: Network, x: Tensor) -> Tensor:
        step, (enter, leave) = fn.softplus(net.step(x)), net.gates(x).chunk(2, -1)
        state, found = torch.zeros(1, 8, 4), []
        for t in range(x.shape[1]):
            state = torch.exp(-step[:, t, :, None] * net.decay.exp()) * state + (step * x)[:, t, :, None] * enter[:, t, None]
            found.append((state * leave[:, t, None]).sum(-1))
        return torch.stack(found, 1) * fn.silu(x)
    return Network(run, step=nn.Linear(8, 8), gates=nn.Linear(8, 8), decay=_drawn(8, 4)), (torch.randn(1, 12, 8),)


# ---- images ----------------------------------------------------------------------------------------------------------
def deformable_sampling() -> Made:
    """Values of two scales read at positions that queries say (deformable attention)."""
    def run(net: Network, queries: Tensor, values: Tensor) -> Tensor:
        count = queries.shape[1]
        grid = torch.tanh(net.places(queries)).view(1, count, 4, 2, 4, 2)
        weights = net.weights(queries).view(1, count, 4, 8).softmax(-1).transpose(1, 2).reshape(4, 1, count, 8)
        found, start = [], 0
        for level, size in enumerate((8, 4)):
            part = values[:, start:start + size * size].transpose(1, 2).reshape(4, 8, size, size)
            start += size * size
            found.append(fn.grid_sample(part, grid[:, :, :, level].transpose(1, 2).flatten(0, 1), align_corners=False))
        return net.head((torch.stack(found, -2).flatten(-2) * weights).sum(-1).view(1, 32, count).transpose(1, 2))
    return Network(run, places=nn.Linear(32, 64), weights=nn.Linear(32, 32), head=nn.Linear(32, 32)), (
        torch.randn(1, 6, 32), torch.randn(1, 80, 32))


def peaks() -> Made:
    """The ten highest peaks of a heat map, with the sizes that stand there (CenterNet)."""
    def run(net: Network, x: Tensor) -> Results:
        heat, sizes = torch.sigmoid(net.heat(x)), net.sizes(x)
        scores, places = ((fn.max_pool2d(heat, 3, 1, 1) == heat).float() * heat).flatten(1).topk(10)
        at = places % 256
        size = sizes.flatten(2).transpose(1, 2).gather(1, at[..., None].expand(-1, -1, 2))
        return torch.stack([at % 16 - size[..., 0] / 2, at // 16 - size[..., 1] / 2], -1), scores, places // 256
    return Network(run, heat=nn.Conv2d(3, 4, 3, padding=1), sizes=nn.Conv2d(3, 2, 3, padding=1)), (torch.randn(1, 3, 16, 16),)


def modulated() -> Made:
    """A convolution whose weights a style scales (StyleGAN 2)."""
    def run(net: Network, x: Tensor, style: Tensor) -> Tensor:
        weights = net.weights[None] * (net.style(style) + 1)[:, None, :, None, None]
        weights = weights * torch.rsqrt((weights**2).sum((2, 3, 4), keepdim=True) + 1e-8)
        return fn.leaky_relu(fn.conv2d(x, weights.reshape(6, 8, 3, 3), padding=1), 0.2)
    return Network(run, weights=_drawn(6, 8, 3, 3), style=nn.Linear(5, 8)), (torch.randn(1, 8, 8, 8), torch.randn(1, 5))


def correlation() -> Made:
    """What one image has in common with every place of another (Siamese trackers)."""
    def run(net: Network, template: Tensor, image: Tensor) -> Tensor:
        template, image = net.conv(template), net.conv(image)
        return net.head(fn.conv2d(image, template.view(8, 1, *template.shape[2:]), groups=8))
    return Network(run, conv=nn.Conv2d(3, 8, 3, 2), head=nn.Conv2d(8, 2, 1)), (torch.randn(1, 3, 11, 11), torch.randn(1, 3, 31, 31))


def disparity() -> Made:
    """Products of two images shifted against one another, a 3-D convolution, and the mean shift (stereo)."""
    def run(net: Network, left: Tensor, right: Tensor) -> Tensor:
        left, right = net.conv(left), net.conv(right)
        costs = torch.stack([(left * fn.pad(right, (shift, 0))[..., :left.shape[-1]]).mean(1) for shift in range(4)], 1)
        return ((-net.volume(costs[:, None])[:, 0]).softmax(1) * torch.arange(4.0)[None, :, None, None]).sum(1)
    return Network(run, conv=nn.Conv2d(3, 8, 3, padding=1), volume=nn.Conv3d(1, 1, 3, padding=1)), (
        torch.randn(1, 3, 16, 20), torch.randn(1, 3, 16, 20))


def convolutional_memory() -> Made:
    """An LSTM of images (ConvLSTM), unrolled."""
    def run(net: Network, x: Tensor) -> Tensor:
        hidden, cell, found = torch.zeros(1, 8, 8, 8), torch.zeros(1, 8, 8, 8), []
        for t in range(x.shape[1]):
            enter, forget, leave, new = net.conv(torch.cat([x[:, t], hidden], 1)).chunk(4, 1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
            hidden = torch.sigmoid(leave) * torch.tanh(cell)
            found.append(hidden)
        return torch.stack(found, 1)
    return Network(run, conv=nn.Conv2d(11, 32, 3, padding=1)), (torch.randn(1, 4, 3, 8, 8),)


FAMILIES = (separator, vocoder, spectral_mask, dilated_causal, graph_convolution, nearest_points, farthest_points,
            sparse_attention_of_columns, splines, selective_scan, deformable_sampling, peaks, modulated, correlation, disparity,
            convolutional_memory)
