"""What a file is, by its first bytes: media types are sniffed, never believed from a header."""

from __future__ import annotations

from typing import Final

SNIFF_LENGTH: Final = 32
"""Bytes that `sniff` needs at the most."""

EXTENSIONS: Final[dict[str, str]] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
    "image/heic": "heic",
    "image/jxl": "jxl",
    "image/jp2": "jp2",
    "image/x-icon": "ico",
    "image/vnd.adobe.photoshop": "psd",
}
"""The image types that are known, with the extension of their files."""

# The signatures of the WHATWG MIME Sniffing standard (§6.1), and those of TIFF 6.0, JPEG XL
# (ISO 18181-2), JPEG 2000 (ISO 15444-1 annex I) and Photoshop's own documentation.
_PREFIXES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
)
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
_BMP_HEADER_SIZES: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def sniff(head: bytes) -> str | None:
    """The media type of a file that begins with `head` (`SNIFF_LENGTH` bytes are enough); None where
    it is no image that is known."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _sniff_box(head)
    for prefix, media_type in _PREFIXES:
        if head.startswith(prefix):
            # Two letters alone would take any text that begins with BM for a picture.
            if prefix == b"BM" and int.from_bytes(head[14:18], "little") not in _BMP_HEADER_SIZES:
                return None
            return media_type
    return None


def _sniff_box(head: bytes) -> str | None:
    # The major brand and, since encoders differ in which they make the major, the compatible ones.
    brands = {head[8:12], *(head[i : i + 4] for i in range(16, len(head) - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return "image/avif"
    return "image/heic" if brands & _HEIF_BRANDS else None


def extension(media_type: str | None) -> str:
    """The extension of a type's files, without the dot; `bin` for a type that is not known."""
    return EXTENSIONS.get(media_type or "", "bin")
