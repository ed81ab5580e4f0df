"""Thumbnails."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import pytest

from nchw2nhwc.checking import Reference
from nchw2nhwc.html.pictures import EDGE, pictures, png


def decoded(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The pixels of a PNG without filters, after its checksums have been verified."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        name, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        assert struct.unpack(">I", content[at + 8 + length : at + 12 + length]) == (zlib.crc32(name + body),)
        chunks[name] = body
        at += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert depth == 8
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, {0: 1, 2: 3}[colour])


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_pixels(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels)).astype(np.uint8)
    assert np.array_equal(decoded(png(pixels)), pixels)


def sample(**arrays: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Reference:
    """Tensors by name: x is the input."""
    return Reference((), (), {"x": arrays.pop("x")}, arrays)


def test_an_image_is_scaled_from_its_smallest_to_its_largest_value() -> None:
    image = np.linspace(-2, 2, 3 * 16 * 16, dtype=np.float32).reshape(1, 3, 16, 16)
    (shown,) = pictures(sample(x=image), {"x"}, dict)
    (shot,) = shown["rows"][0]["shots"]
    pixels = decoded(base64.b64decode(shot["png"].removeprefix("data:image/png;base64,")))
    assert pixels.shape == (16, 16, 3)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.array_equal(pixels, np.round((image[0].transpose(1, 2, 0) + 2) / 4 * 255))


def test_a_large_map_becomes_a_small_picture_of_means() -> None:
    rows = np.zeros((1, 1, 400, 600), np.float32)
    rows[:, :, :200] = 1
    (shown,) = pictures(sample(x=rows), {"x"}, dict)
    (shot,) = shown["rows"][0]["shots"]
    assert (shot["width"], shot["height"]) == (150, 100)
    assert max(shot["width"], shot["height"]) <= EDGE
    pixels = decoded(base64.b64decode(shot["png"].partition(",")[2]))
    assert (pixels[:50] == 255).all()
    assert (pixels[50:] == 0).all()


def test_a_narrow_map_keeps_its_short_side() -> None:
    (shown,) = pictures(sample(x=np.zeros((1, 1, 8, 40 * EDGE), np.float32)), {"x"}, dict)
    assert shown["rows"][0]["shots"][0]["height"] == 1


def test_channels_one_by_one_and_no_more_than_four() -> None:
    (shown,) = pictures(sample(x=np.zeros((2, 9, 8, 8), np.float32)), {"x"}, dict)
    assert (len(shown["rows"][0]["shots"]), shown["channels"]) == (4, 9)


def test_values_that_are_not_numbers_do_not_spoil_the_scale() -> None:
    image = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    image[0, 0, 0, 0], image[0, 0, 0, 1] = np.nan, np.inf
    (shown,) = pictures(sample(x=image), {"x"}, dict)
    pixels = decoded(base64.b64decode(shown["rows"][0]["shots"][0]["png"].partition(",")[2]))
    assert (pixels[0, 0, 0], pixels[0, 1, 0], pixels[-1, -1, 0]) == (0, 255, 255)


def test_the_result_is_scaled_like_the_source_and_run_only_for_pictures() -> None:
    source = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    (shown,) = pictures(sample(x=source, y=source), (), lambda: {"y": source / 2})
    halves = [decoded(base64.b64decode(row["shots"][0]["png"].partition(",")[2])).max() for row in shown["rows"]]
    assert [row["who"] for row in shown["rows"]] == ["source", "result"]
    assert halves == [255, 128]

    def never() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        raise AssertionError

    assert pictures(sample(x=source, y=np.zeros((1, 10), np.float32)), (), never) == []
