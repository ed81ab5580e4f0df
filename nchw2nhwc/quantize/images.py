"""A folder of images as calibration samples."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np

from nchw2nhwc.errors import Location, OptionError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array
from nchw2nhwc.options.quantize import QuantizeOptions
from nchw2nhwc.quantize.data import spread
from nchw2nhwc.wording import counted

Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
_MODES = {1: "L", 3: "RGB"}


def image_files(folder: Path) -> list[Path]:
    """The images of a folder by name."""
    return sorted(each for each in folder.iterdir() if each.suffix.lower() in IMAGES)


def read_images(folder: Path, inputs: Sequence[TensorInfo], image: TensorInfo | None,
                options: QuantizeOptions) -> list[dict[str, Array]]:
    """One sample for each image. `image` is the input that takes images, channels first in the source, None if there is none; where the
    result itself prepares them it gets the values from 0 to 255 as they are. Raises OptionError."""
    if image is None or sum(info.draw is None for info in inputs) != 1:
        raise OptionError("a folder of images calibrates a model with one input, which takes images",
                          advice="Give the samples as an .npz file, by input name.")
    if find_spec("PIL") is None:
        raise OptionError("Pillow is not installed, which images are read with", advice="pip install 'nchw2nhwc[quantize]'")
    batch, channels, *size = image.source_shape
    if len(size) != 2 or -1 in size or channels not in _MODES or batch > 1:
        raise OptionError(f"images fit an input of one image of 1 or 3 channels and known size; '{image.name}' has {image.source_shape}",
                          advice=f"Fix its size with --input-shape {image.name}=1,3,H,W, or give the samples as an .npz file.")
    mean, scale = _values(options, channels, raw=_takes_pixels(image))
    files = image_files(folder)
    chosen = [files[k] for k in spread(len(files), options.calibration_samples)]
    samples = []
    for file in chosen:
        pixels = _pixels(file, channels, (size[0], size[1]), options)
        values = (pixels.astype(np.float32) - mean) / scale
        samples.append({image.name: np.moveaxis(values, -1, 0)[None].astype(image.given_type.dtype)})
    return samples


def _takes_pixels(image: TensorInfo) -> bool:
    """Whether the model itself makes of values from 0 to 255 what the source takes: it subtracts, divides, or takes bytes. One that only
    reverses the order of channels says nothing about values."""
    done = image.preprocessing
    return done is not None and (any(done.mean) or any(factor != 1 for factor in done.scale) or image.given_type.dtype == np.uint8)


def _values(options: QuantizeOptions, channels: int, *, raw: bool) -> tuple[Floats, Floats]:
    """What is subtracted and divided by."""
    given = bool(options.calibration_mean or options.calibration_scale)
    if raw and given:
        raise OptionError("the model itself prepares its images: they are fed as they are, without --calibration-mean and -scale")
    if not raw and not given:
        raise OptionError("images have values from 0 to 255; nothing says which ones the model takes",
                          advice="Say so with --calibration-mean and --calibration-scale: '--calibration-scale 255' for 0 to 1, "
                                 "'--calibration-scale 1' for 0 to 255. Or let the model prepare them: --mean, --scale.")
    for name, numbers in (("mean", options.calibration_mean), ("scale", options.calibration_scale)):
        if len(numbers) not in (0, 1, channels):
            raise OptionError(f"--calibration-{name} has {len(numbers)} numbers, the images have {counted(channels, 'channel')}")
    return np.array(options.calibration_mean or (0,), np.float32), np.array(options.calibration_scale or (1,), np.float32)


def _pixels(file: Path, channels: int, size: tuple[int, int], options: QuantizeOptions) -> Array:
    """An image as height, width, channels."""
    from PIL import Image, ImageOps

    height, width = size
    try:
        with Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened).convert(_MODES[channels])
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OptionError(f"the image cannot be read: {error}", Location(file.name), "Take it out of the folder of samples.") from None
    if options.calibration_resize == "crop":
        picture = ImageOps.fit(picture, (width, height))
    elif options.calibration_resize == "pad":
        picture = ImageOps.pad(picture, (width, height))
    else:
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture).reshape(height, width, channels)
    return pixels[..., ::-1] if options.calibration_channels == "bgr" and channels == 3 else pixels
