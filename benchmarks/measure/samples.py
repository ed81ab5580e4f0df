"""Inputs that trained networks make sense of, made here: lines of rendered text, sounds of notes, pictures of surfaces and edges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Floats = npt.NDArray[np.float32]
RATE = 22050
"""Audio samples per second."""
WORDS = [
    "invoice", "total", "amount", "due", "order", "number", "street", "2024", "price", "17.50", "please", "return", "table", "northern",
    "light", "quantity", "signature", "date", "open", "daily", "ticket", "train", "platform", "9", "station", "coffee", "250 g", "exit",
    "push", "pull", "no", "entry", "room", "318", "license", "model", "serial"]


def text_images(count: int, height: int, width: int, *, lines: int, seed: int) -> npt.NDArray[np.uint8]:
    """Pictures (N, H, W, 3) with `lines` lines of words in different sizes and colours, on plain or shaded paper, a little blurred and with
    noise."""
    rng = np.random.default_rng(seed)
    pages = []
    for _ in range(count):
        dark, light = rng.integers(0, 90, 3), rng.integers(150, 256, 3)
        ink, paper = (dark, light) if rng.random() < 0.8 else (light, dark)
        shade = np.linspace(rng.uniform(0.75, 1), 1, width)[None, :, None]
        page = Image.fromarray(np.uint8(np.broadcast_to(paper * shade, (height, width, 3))))
        draw, room = ImageDraw.Draw(page), height / lines
        for line in range(lines):
            font = ImageFont.load_default(size=max(8, room * rng.uniform(0.45, 0.7)))
            text = " ".join(rng.choice(WORDS, rng.integers(1, 6)))
            draw.text((rng.uniform(0, 0.1) * width, line * room + rng.uniform(0, 0.25) * room), text, tuple(map(int, ink)), font)
        page = page.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.8)))
        pages.append(np.clip(np.asarray(page, np.float64) + rng.normal(0, rng.uniform(0, 6), (height, width, 3)), 0, 255))
    return np.stack(pages).round().astype(np.uint8)


def pictures(count: int, height: int, width: int, *, seed: int) -> npt.NDArray[np.uint8]:
    """Pictures (N, H, W, 3) of shaded areas, discs and stripes of several widths, a little blurred."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        y, x = np.mgrid[:height, :width] / max(height, width)
        page = rng.uniform(0, 1, 3) + (x * rng.uniform(-0.5, 0.5) + y * rng.uniform(-0.5, 0.5))[..., None]
        for _ in range(12):
            colour, cx, cy, r = rng.uniform(0, 1, 3), rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.03, 0.3)
            inside = (x - cx) ** 2 + (y - cy) ** 2 < r * r
            stripes = np.sin((x * rng.normal() + y * rng.normal()) * rng.uniform(5, 120)) > 0
            page[inside & (stripes | (rng.random() < 0.5))] = colour
        image = Image.fromarray(np.uint8(np.clip(page, 0, 1) * 255)).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
        found.append(np.asarray(image))
    return np.stack(found)


def sounds(count: int, length: int, *, seed: int) -> Floats:
    """Waves (N, length) from -1 to 1: notes of a few harmonics that begin at random and fade, two to five of them at a time, and noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(length) / RATE
    waves = []
    for _ in range(count):
        wave = rng.normal(0, 0.002, length)
        for _ in range(rng.integers(4, 16)):
            start, pitch = rng.uniform(0, length / RATE), 440 * 2 ** ((rng.integers(36, 84) - 69) / 12)
            since = np.clip(time - start, 0, None)
            envelope = (time >= start) * np.exp(-since * rng.uniform(1, 6)) * np.clip(since * 100, 0, 1)
            strength = rng.uniform(0.05, 0.4) * rng.uniform(0.3, 0.8) ** np.arange(6)
            wave = wave + envelope * sum(s * np.sin(2 * np.pi * pitch * (k + 1) * time) for k, s in enumerate(strength))
        waves.append(wave / max(1.0, np.abs(wave).max()))
    return np.stack(waves).astype(np.float32)
