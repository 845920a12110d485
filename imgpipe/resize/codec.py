"""From a file to the bytes of another: decode, have the pixels changed, encode.

One of the two rooms that know Pillow. Whatever a decoder makes of a broken file becomes a kind of error
here.
"""

from __future__ import annotations

import contextlib
import logging
import re
import struct
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from imgpipe import media
from imgpipe.errors import ImgpipeError, Kind, RecordError, UsageError
from imgpipe.resize import blur, exif, geometry, handles, memory, pixels, rules
from imgpipe.resize.formats import (
    COLOUR_ONLY,
    LONGEST_SIDES,
    NEVER,
    PILLOW_NAMES,
    SAVED,
    SNIFFED,
    WITH_QUALITY,
    encoding,
)
from imgpipe.resize.geometry import Plan
from imgpipe.resize.job import Job, Made
from imgpipe.resize.options import Filter, ResizeOptions

DRAFT: Final = 1.5
"""How many times larger than asked a JPEG is decoded at the least, so that the decoder's own coarse scaling
is hard to see: a median of 57 dB to the exact result, 45 dB at the 5th percentile."""

DRAFT_AREA: Final = 4.0
"""The same for the filter `area`, whose hard edges show more of it: at 2, 37 dB at the 5th percentile."""

_ORIENTATION: Final = 0x0112
_SUB_FIELDS: Final = frozenset({0x8769, 0x8825, 0xA005})
"""EXIF tags that lead to further tables: Exif, GPS, interoperability."""


def prepare(options: ResizeOptions) -> None:
    """Set what Pillow keeps for the whole process."""
    Image.MAX_IMAGE_PIXELS = options.max_pixels
    ImageFile.LOAD_TRUNCATED_IMAGES = options.keep_truncated
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    memory.keep_freed()


def check(formats: frozenset[str]) -> None:
    """See to it that each of these formats can be read.

    Raises:
        UsageError: Pillow does not read one of them.
    """
    if unknown := formats - SNIFFED - {name.lower() for name in _others(formats)}:
        raise UsageError(f"--formats: Pillow does not read {', '.join(sorted(unknown))}")


class Codec:
    """Makes pictures, one after the other. For one thread: it keeps what the next picture can use.

    Args:
        options: What is asked.
    """

    def __init__(self, options: ResizeOptions) -> None:
        self._options = options
        self._scale = pixels.Scaler(options.filter)
        self._colours = pixels.Colours()

    def __call__(self, job: Job) -> Made:
        """Make one picture.

        Raises:
            RecordError: It cannot be made, or a rule leaves it out.
        """
        with handles.opened(job.path) as (file, data):
            with _as(Kind.DECODE):
                image, media_type = _identify(file, self._options.formats)
            if data:
                # It is all there: the decoder may have it at once.
                image.decodermaxblock = len(data)
            with image:
                return self._make(job, image, media_type, data, file)

    def _make(
        self,
        job: Job,
        image: ImageFile.ImageFile,
        media_type: str | None,
        data: bytes,
        file: BinaryIO,
    ) -> Made:
        options = self._options
        rules.check(image.size, options)
        with _as(Kind.DECODE):
            orientation = _orientation(image, media_type)
            stored = image.size
            source = stored[::-1] if pixels.swaps_sides(orientation) else stored
            rules.check_upright(source, options)
            plan = geometry.plan(source, options.size, options.fit, enlarge=options.enlarge)
            tags = _exif(image) if options.exif else None
            profile = image.info.get("icc_profile")
            stored_plan = plan.turned() if pixels.swaps_sides(orientation) else plan
            box = self._decode(image, media_type, stored_plan)
            written = encoding(options.format, media_type)
            if options.skip_reencode and not job.regions and written == media_type:
                fits = plan.canvas == source and orientation not in range(2, 9)
                if fits and self._is_plain(image, profile):
                    file.seek(0)
                    return Made(data or file.read(), True, media_type, source, source, tags)
            grey = pixels.is_grey(image)
            changed = self._scale(pixels.plain(image), box, stored_plan.scaled)
            changed, profile = self._finish(changed, orientation, profile, grey=grey)
        with _as(Kind.ENCODE):
            for region in job.regions:
                if (part := blur.on_scaled(region, source, plan)) is not None:
                    pixels.blur(changed, *part)
            if plan.canvas != plan.scaled:
                changed = pixels.pad(changed, plan.canvas, plan.offset, options.background)
            encoded = _encode(changed, written, options.quality, profile)
        return Made(encoded, False, written, plan.canvas, source, tags)

    def _decode(self, image: ImageFile.ImageFile, media_type: str | None, plan: Plan) -> geometry.Box:
        """Decode the picture, a JPEG no larger than needed; returns the part of it that is used."""
        left, top, right, bottom = plan.box
        across, down = (right - left) / plan.scaled[0], (bottom - top) / plan.scaled[1]
        whole = image.size
        drafted = None
        if media_type == "image/jpeg" and self._options.filter is not Filter.NEAREST:
            times = DRAFT_AREA if self._options.filter is Filter.AREA else DRAFT
            least = (max(1, int(times * whole[0] / across)), max(1, int(times * whole[1] / down)))
            drafted = image.draft(None, least)
        image.load()
        if drafted is None or image.size == whole:
            return plan.box
        # A side that the scale does not divide has a last pixel that only partly shows the picture.
        x, y = drafted[1][2] / whole[0], drafted[1][3] / whole[1]
        return left * x, top * y, right * x, bottom * y

    def _is_plain(self, image: Image.Image, profile: bytes | None) -> bool:
        """Whether a decoded picture would be written with the very pixels that it has."""
        if getattr(image, "is_animated", False) or image.has_transparency_data:
            return False
        if image.mode not in ("1", "L", "P", "RGB"):
            return False
        mode = "RGB" if image.mode == "P" else image.mode
        return self._options.keep_icc or mode == "1" or not self._colours.needed(mode, profile)

    def _finish(
        self, image: Image.Image, orientation: int, profile: bytes | None, *, grey: bool
    ) -> tuple[Image.Image, bytes | None]:
        """The scaled picture upright, in its final colours, opaque; with the profile that it keeps."""
        options = self._options
        image = pixels.upright(image, orientation)
        if not options.keep_icc or image.mode == "CMYK":
            image, profile = self._colours.to_srgb(image, profile), None
        if image.mode == "RGBA":
            image = pixels.on_background(image, options.background)
            if grey and len(set(options.background)) == 1:
                image = image.convert("L")
        return image, profile


def _identify(file: BinaryIO, formats: frozenset[str] | None) -> tuple[ImageFile.ImageFile, str | None]:
    """The picture in a file, not decoded yet, and its media type as sniffed.

    Raises:
        RecordError: `not_image` where it is none, or none of a format that is read.
    """
    head = file.read(media.SNIFF_LENGTH)
    file.seek(0)
    media_type = media.sniff(head)
    name = PILLOW_NAMES.get(media_type or "")
    if name is None and media_type is not None:
        raise RecordError(Kind.NOT_IMAGE, f"{media_type} is no format that Pillow reads; convert it first")
    if formats is not None and name is not None and name.lower() not in formats:
        raise RecordError(Kind.NOT_IMAGE, f"{media_type} is not among the formats that are read (--formats)")
    names = [name] if name is not None else _others(formats)
    if not names:
        raise RecordError(Kind.NOT_IMAGE, "no picture of a known format" if head else "empty file")
    if name == "AVIF":
        # Pictures are decoded side by side already.
        from PIL import AvifImagePlugin  # noqa: PLC0415 - a library that most runs never need

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    try:
        return Image.open(file, formats=names), media_type
    except UnidentifiedImageError:
        if media_type is None:
            raise RecordError(
                Kind.NOT_IMAGE, "no picture of a known format" if head else "empty file"
            ) from None
        raise RecordError(Kind.DECODE, f"its header is no good {media_type}") from None


def _others(formats: frozenset[str] | None) -> list[str]:
    """Pillow's decoders for what cannot be sniffed, of those that are asked for."""
    if formats is not None and formats <= SNIFFED:
        return []
    Image.init()
    known = [name for name in Image.ID if name not in NEVER and name not in PILLOW_NAMES.values()]
    return [name for name in known if formats is None or name.lower() in formats]


@contextlib.contextmanager
def _as(kind: Kind) -> Iterator[None]:
    """Give what a decoder or encoder raises its kind: the seam between Pillow's errors and ours."""
    try:
        yield
    except ImgpipeError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        found = re.search(r"\d+", str(error))
        raise RecordError(
            Kind.TOO_MANY_PIXELS,
            f"{found[0] if found else 'too many'} pixels, of at most {Image.MAX_IMAGE_PIXELS} (--max-pixels)",
        ) from error
    except MemoryError as error:
        raise RecordError(kind, "out of memory") from error
    except (EOFError, struct.error) as error:
        raise RecordError(kind, f"the file is cut short or broken: {error}") from error
    # Plugins raise nearly every built-in exception on broken files.
    except Exception as error:
        raise RecordError(kind, f"{type(error).__name__}: {error}") from error


def _orientation(image: ImageFile.ImageFile, media_type: str | None) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or Pillow sees to it."""
    if media_type == "image/tiff":
        return 1
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - broken EXIF raises anything, and the picture may still be good
        return 1
    return found if type(found) is int else 1


def _exif(image: ImageFile.ImageFile) -> dict[str, Any]:
    """The EXIF tags as JSON; an empty object where there are none or they are broken."""
    found: dict[str, Any] = {}
    try:
        table = image.getexif()
        found |= exif.as_json(((n, v) for n, v in table.items() if n not in _SUB_FIELDS), ExifTags.TAGS)
        found |= exif.as_json(table.get_ifd(ExifTags.IFD.Exif).items(), ExifTags.TAGS)
        found |= exif.as_json(table.get_ifd(ExifTags.IFD.GPSInfo).items(), ExifTags.GPSTAGS)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - as above
        return found
    return found


def _encode(image: Image.Image, media_type: str, quality: int, profile: bytes | None) -> bytes:
    """The bytes of a file of this type, with nothing in it but the picture and `profile`."""
    longest = LONGEST_SIDES.get(media_type)
    if longest is not None and max(image.size) > longest:
        width, height = image.size
        raise RecordError(
            Kind.ENCODE, f"{width}x{height}: {media_type} takes at most {longest} pixels a side"
        )
    if media_type in COLOUR_ONLY and image.mode != "RGB":
        # A profile of greys describes no colours.
        image, profile = image.convert("RGB"), None
    if isinstance(image, ImageFile.ImageFile):
        # Pillow writes tags and comments that it finds in a picture as it was read.
        image = image.copy()
    image.info = {}
    settings: dict[str, Any] = {"quality": quality} if media_type in WITH_QUALITY else {}
    if profile:
        settings["icc_profile"] = profile
    if media_type == "image/avif":
        settings["max_threads"] = 1
    with handles.memory_file() as out:
        image.save(out, SAVED[media_type], **settings)
        out.seek(0)
        return out.read()
