"""What is done to pixels once they are decoded: modes, scaling, colour, background, blur.

One of the two rooms that know Pillow.
"""

from __future__ import annotations

import functools
import hashlib
import io
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from PIL import Image, ImageCms, ImageFilter

from imgpipe.resize.geometry import Box, Pair
from imgpipe.resize.options import Filter

RESAMPLING: Final[dict[Filter, Image.Resampling]] = {
    Filter.LANCZOS: Image.Resampling.LANCZOS,
    Filter.BICUBIC: Image.Resampling.BICUBIC,
    Filter.HAMMING: Image.Resampling.HAMMING,
    Filter.BILINEAR: Image.Resampling.BILINEAR,
    Filter.AREA: Image.Resampling.BOX,
    Filter.NEAREST: Image.Resampling.NEAREST,
}

_REDUCING_GAPS: Final[dict[Filter, float | None]] = {
    Filter.LANCZOS: 1.5,
    Filter.BICUBIC: 1.5,
    Filter.BILINEAR: 1.5,
    Filter.HAMMING: 3.0,
    Filter.AREA: None,
    Filter.NEAREST: None,
}
"""How many times larger than asked Pillow's quick first reduction leaves a picture at the least; None for no
such reduction. At 1.5 it takes a quarter off the scaling of photographs, at 57 dB to the exact result (46 dB
at the 5th percentile). Hard-edged filters show it."""

_TRANSPOSE: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes each EXIF orientation upright (EXIF 2.32, table 6)."""

_FULL_16: Final = 65535
_INTEGER_RANGES: Final = (_FULL_16, 2**24 - 1, 2**31 - 1)
_FLOAT_RANGES: Final = (1.0, 255.0, float(_FULL_16))


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture turned by its EXIF orientation; any value but 2 to 8 leaves it."""
    turn = _TRANSPOSE.get(orientation)
    return image if turn is None else image.transpose(turn)


def swaps_sides(orientation: int) -> bool:
    """Whether the upright picture is as wide as the stored one is high."""
    return orientation in (5, 6, 7, 8)


def plain(image: Image.Image) -> Image.Image:
    """The picture in one of the modes that can be scaled: L, RGB, RGBA or CMYK.

    16-bit values and wider ones are scaled to 8 bits, not clipped.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _in_8_bits(image)
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    if image.mode == "LAB":
        return _from_lab(image)
    return image.convert("L" if image.mode == "1" else "RGB")


def _in_8_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        return _from_floats(image)
    if image.mode == "I":
        highest = int(_highest(image))
        return _from_integers(image, None, next(limit for limit in _INTEGER_RANGES if highest <= limit))
    return _from_integers(image.convert("I"), image.info.get("transparency"), _FULL_16)


def is_grey(image: Image.Image) -> bool:
    """Whether the mode of a picture, as decoded, knows no colour."""
    return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")


@functools.cache
def _shares_of_16() -> list[int]:
    return [(value * 255 + _FULL_16 // 2) // _FULL_16 for value in range(_FULL_16 + 1)]


def _highest(image: Image.Image) -> float:
    """The highest value of a picture with one band."""
    _, highest = image.getextrema()
    assert not isinstance(highest, tuple), "only several bands have a pair each"
    return highest


def _from_integers(image: Image.Image, transparent: Any, limit: int) -> Image.Image:
    if limit != _FULL_16:
        scale = 255 / limit
        return image.point(lambda value: value * scale + 0.5).convert("L")
    grey = image.point(_shares_of_16(), "L")
    if isinstance(transparent, int):
        seen = [255] * (_FULL_16 + 1)
        seen[min(transparent, _FULL_16)] = 0
        grey = grey.convert("RGB")
        grey.putalpha(image.point(seen, "L"))
    return grey


def _from_floats(image: Image.Image) -> Image.Image:
    highest = _highest(image)
    limit = next((limit for limit in _FLOAT_RANGES if highest <= limit), highest)
    scale = 255 / limit if math.isfinite(limit) else 1.0
    return image.point(lambda value: value * scale + 0.5).convert("L")


def _from_lab(image: Image.Image) -> Image.Image:
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None, "it is only None for a change in place"
    return converted


def on_background(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """An RGBA picture as RGB, with `background` where it is transparent."""
    canvas = Image.new("RGB", image.size, background)
    canvas.paste(image.convert("RGB"), (0, 0), image.getchannel("A"))
    return canvas


def pad(image: Image.Image, canvas: Pair, offset: Pair, background: tuple[int, int, int]) -> Image.Image:
    """The picture on a canvas of `background`; grey stays grey where the background is grey."""
    if image.mode == "L" and len(set(background)) == 1:
        padded = Image.new("L", canvas, background[0])
    else:
        image = image.convert("RGB")
        padded = Image.new("RGB", canvas, background)
    padded.paste(image, offset)
    return padded


def blur(image: Image.Image, box: tuple[int, int, int, int], radius: float) -> None:
    """Blur a part of the picture, in place."""
    image.paste(image.crop(box).filter(ImageFilter.GaussianBlur(radius)), box)


class Scaler:
    """Scales pictures with `cykooz-resizer` where it is there, else with Pillow. For one thread."""

    def __init__(self, chosen: Filter) -> None:
        self._resample = RESAMPLING[chosen]
        self._gap = _REDUCING_GAPS[chosen]
        self._fast = _fast(chosen)

    def __call__(self, image: Image.Image, box: Box, size: Pair) -> Image.Image:
        """The part `box` of an L, RGB, RGBA or CMYK picture as one of `size`."""
        if size == image.size and box == (0, 0, *size):
            return image
        if self._fast is not None:
            return self._fast(image, box, size)
        return image.resize(size, self._resample, box, self._gap)


def _fast(chosen: Filter) -> Callable[[Image.Image, Box, Pair], Image.Image] | None:
    """The scaling function of the extra `fast`; None where it is not there or lacks the filter."""
    try:
        import cykooz_resizer as cykooz  # noqa: PLC0415 - an extra that may be absent
    except ImportError:
        return None
    kinds = {
        Filter.LANCZOS: cykooz.FilterType.lanczos3,
        Filter.BICUBIC: cykooz.FilterType.catmull_rom,
        Filter.BILINEAR: cykooz.FilterType.bilinear,
        Filter.AREA: cykooz.FilterType.box,
    }
    if chosen not in kinds:
        return None
    algorithm = cykooz.ResizeAlg.convolution(kinds[chosen])
    resizer = cykooz.Resizer()

    def scale(image: Image.Image, box: Box, size: Pair) -> Image.Image:
        left, top, right, bottom = box
        # Every pixel of it is written: without a colour it is not filled first.
        target = Image.new(image.mode, size, None)
        crop = cykooz.CropBox(left, top, right - left, bottom - top)
        resizer.resize_pil(image, target, cykooz.ResizeOptions(resize_alg=algorithm, crop_box=crop))
        return target

    return scale


_SPACES: Final = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
"""The colour space that a profile must describe to be one of a picture in this mode."""

PROFILES_KEPT: Final = 32
"""Transforms that a thread keeps: pictures of one source share a handful of profiles."""

_PROBE: Final = bytes(value for level in range(0, 256, 17) for value in (level, 255 - level, level // 2))


class Colours:
    """Turns the colours of pictures into sRGB, by their profiles. For one thread."""

    def __init__(self) -> None:
        self._srgb = ImageCms.createProfile("sRGB")
        self._known: OrderedDict[tuple[bytes, str], ImageCms.ImageCmsTransform | None] = OrderedDict()

    def needed(self, mode: str, profile: bytes | None) -> bool:
        """Whether a picture with this profile would change."""
        return mode == "CMYK" or self._transform(mode, profile) is not None

    def to_srgb(self, image: Image.Image, profile: bytes | None) -> Image.Image:
        """The picture with sRGB colours: L, RGB or RGBA as before, RGB where it was CMYK.

        A profile that is broken, or not of this picture's colour space, is passed over.
        """
        transform = self._transform(image.mode, profile)
        if transform is None:
            return image.convert("RGB") if image.mode == "CMYK" else image
        colours = image.convert("RGB") if image.mode == "RGBA" else image
        converted = ImageCms.applyTransform(colours, transform)
        assert converted is not None, "it is only None for a change in place"
        if image.mode == "RGBA":
            converted.putalpha(image.getchannel("A"))
        return converted.convert("L") if image.mode == "L" else converted

    def _transform(self, mode: str, profile: bytes | None) -> ImageCms.ImageCmsTransform | None:
        """What makes sRGB of the mode's colours; None where nothing would change."""
        if not profile:
            return None
        mode = "RGB" if mode == "RGBA" else mode
        key = (hashlib.blake2b(profile, digest_size=16).digest(), mode)
        if key not in self._known:
            self._known[key] = self._build(mode, profile)
            if len(self._known) > PROFILES_KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def _build(self, mode: str, profile: bytes) -> ImageCms.ImageCmsTransform | None:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if source.profile.xcolor_space.strip() != _SPACES[mode]:
                return None
            transform = ImageCms.buildTransform(source, self._srgb, mode, "RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            return None
        return None if mode == "RGB" and _changes_nothing(transform) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether it moves no colour by more than rounding does: the profile is sRGB by another name."""
    probe = Image.frombytes("RGB", (len(_PROBE) // 3, 1), _PROBE)
    after = ImageCms.applyTransform(probe, transform)
    assert after is not None, "it is only None for a change in place"
    return all(abs(a - b) <= 1 for a, b in zip(_PROBE, after.tobytes(), strict=True))
