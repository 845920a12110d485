from __future__ import annotations

import io
import struct
import zlib

import profiles
import pytest
from PIL import Image, ImageCms

from imgpipe.resize.options import Filter, Fit, Format, Size

PATCHES = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 120, 40), (30, 90, 160)]  # fmt: skip


def saved(image: Image.Image, kind="PNG", **settings) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **settings)
    return out.getvalue()


def near(expected, found, by=2) -> bool:
    expected, found = (value if isinstance(value, tuple) else (value,) for value in (expected, found))
    return len(expected) == len(found) and all(abs(a - b) <= by for a, b in zip(expected, found, strict=True))


def quadrants() -> Image.Image:
    """Wide, with a colour in each corner."""
    image = Image.new("RGB", (96, 64))
    for x, y, colour in ((0, 0, "red"), (48, 0, "lime"), (0, 32, "blue"), (48, 32, "white")):
        image.paste(colour, (x, y, x + 48, y + 32))
    return image


UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("fit", [Fit.INSIDE, Fit.COVER, Fit.CONTAIN])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_orientation_comes_out_upright(make, kind, fit):
    """A picture stored in any of the eight orientations comes out upright, in the size that it then has."""
    for orientation, undo in UNDO.items():
        stored = quadrants() if undo is None else quadrants().transpose(undo)
        exif = Image.Exif()
        exif[0x0112] = orientation
        settings = {"quality": 100} if kind != "TIFF" else {}

        image, made = make(saved(stored, kind, exif=exif, **settings), fit=fit, size=Size(48, 48))

        assert made.original == (96, 64)
        assert made.size == image.size == ((48, 32) if fit is Fit.INSIDE else (48, 48))
        left, right = (6, 41)
        top, bottom = (3, 28) if fit is Fit.INSIDE else (11, 36)
        corners = [
            image.getpixel(place) for place in ((left, top), (right, top), (left, bottom), (right, bottom))
        ]
        expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
        assert all(near(a, b, 12) for a, b in zip(expected, corners, strict=True)), (orientation, corners)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("profile", ["srgb", "p3", "adobe"])
def test_colours_become_srgb(make, profile, kind):
    """A colour in any profile comes out with its values in sRGB."""
    for colour in PATCHES:
        stored = profiles.in_profile(colour, profile)
        lossless = {
            "JPEG": {"quality": 100, "subsampling": 0},
            "WEBP": {"lossless": True},
            "AVIF": {"quality": 100},
        }
        data = saved(
            Image.new("RGB", (80, 80), stored),
            kind,
            icc_profile=profiles.rgb(profile),
            **lossless.get(kind, {}),
        )

        # What the lossy formats made of it, and 8 bits: the source is what a reader of the file sees.
        expected = profiles.to_srgb(Image.open(io.BytesIO(data)).convert("RGB").getpixel((40, 40)), profile)

        image, _ = make(data)

        assert near(expected, image.getpixel((30, 30))), colour
        assert near(colour, image.getpixel((30, 30)), 9), colour
        assert "icc_profile" not in image.info


def test_a_profile_with_transparency(make):
    """Colours with alpha are converted too, before they meet the background."""
    stored = (*profiles.in_profile((200, 120, 40), "p3"), 128)
    data = saved(Image.new("RGBA", (80, 80), stored), icc_profile=profiles.rgb("p3"))

    image, _ = make(data, background=(0, 0, 0))

    assert near((100, 60, 20), image.getpixel((30, 30)))


def test_a_grey_profile(make):
    """Greys with a gamma of their own come out as the greys of sRGB, and stay grey."""
    linear = 0.5
    data = saved(Image.new("L", (80, 80), round(255 * linear ** (1 / 1.8))), icc_profile=profiles.grey(1.8))

    image, _ = make(data)

    assert image.mode == "L"
    assert near(188, image.getpixel((30, 30)))


def ink(c, m, y, k):
    """Made-up inks whose mixtures are greys."""
    return (0 if k else 100 - 20 * c - 30 * m - 10 * y), 0, 0


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_with_a_profile(make, kind):
    """Inks come out as the profile says."""
    for inks, lightness in (
        ((0, 0, 0, 0), 100),
        ((255, 0, 0, 0), 80),
        ((0, 255, 255, 0), 60),
        ((0, 0, 0, 255), 0),
    ):
        settings = {"quality": 100} if kind == "JPEG" else {}
        data = saved(Image.new("CMYK", (80, 80), inks), kind, icc_profile=profiles.cmyk(ink), **settings)
        lab = Image.new("LAB", (1, 1), (round(lightness * 2.55), 128, 128))
        to_srgb = ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
        )
        expected = ImageCms.applyTransform(lab, to_srgb).getpixel((0, 0))

        image, _ = make(data)

        assert near(expected, image.getpixel((30, 30))), inks


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile(make, kind):
    """Inks without a profile come out as (1 - ink)(1 - black); JPEGs hold them inverted, as Adobe does."""
    for inks in ((0, 0, 0, 0), (255, 0, 0, 0), (0, 128, 0, 128), (10, 20, 200, 60)):
        settings = {"quality": 100} if kind == "JPEG" else {}
        expected = tuple(round((255 - value) * (255 - inks[3]) / 255) for value in inks[:3])

        image, _ = make(saved(Image.new("CMYK", (80, 80), inks), kind, **settings))

        assert near(expected, image.getpixel((30, 30))), inks


@pytest.mark.parametrize(
    "profile", [b"nonsense", b"", profiles.grey(1.8), profiles.cmyk(ink), profiles.rgb("p3")[:200]]
)
def test_a_wrong_profile_is_passed_over(make, profile):
    """A profile that is broken, or of other colours than the picture has, changes nothing."""
    image, _ = make(saved(Image.new("RGB", (80, 80), (200, 120, 40)), icc_profile=profile))

    assert image.getpixel((30, 30)) == (200, 120, 40)


def test_a_profile_can_be_kept(make):
    """`--keep-icc` leaves colours as they are, with their profile."""
    profile = profiles.rgb("p3")
    data = saved(Image.new("RGB", (80, 80), (200, 120, 40)), icc_profile=profile)

    for written in (Format.PNG, Format.JPG, Format.WEBP, Format.AVIF):
        image, _ = make(data, keep_icc=True, format=written)

        assert image.info["icc_profile"] == profile
        assert near((200, 120, 40), image.convert("RGB").getpixel((30, 30)), 3)


def png(width, height, depth, colour, rows: bytes, extra=b"") -> bytes:
    """A PNG of any depth."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def flat_png(depth, colour, *values) -> bytes:
    pixel = struct.pack(f">{len(values)}{'H' if depth == 16 else 'B'}", *values)
    return png(80, 80, depth, colour, (b"\0" + pixel * 80) * 80)


@pytest.mark.parametrize("value", [0, 1, 257, 12345, 32768, 54321, 65535])
def test_16_bits_are_scaled(make, value):
    """16-bit values, grey or colour, in PNG or TIFF, come out as their share of 255."""
    share = value / 257
    grey = Image.new("I;16", (80, 80), value)
    sources = [
        flat_png(16, 0, value),
        flat_png(16, 2, value, value, value),
        flat_png(16, 4, value, 65535),
        flat_png(16, 6, value, value, value, 65535),
        saved(grey, "TIFF"),
    ]
    for data in sources:
        image, _ = make(data)

        assert near((share,) * 3, image.convert("RGB").getpixel((30, 30)), 1.01)


def test_16_bit_grey_with_a_transparent_value(make):
    """The one grey that a 16-bit PNG calls transparent shows the background, its neighbour does not."""
    trns = (
        struct.pack(">I", 2)
        + b"tRNS"
        + struct.pack(">H", 30000)
        + struct.pack(">I", zlib.crc32(b"tRNS\x75\x30"))
    )
    row = b"\0" + struct.pack(">40H", *[30000] * 40) + struct.pack(">40H", *[30001] * 40)

    image, _ = make(png(80, 80, 16, 0, row * 80, trns), background=(255, 0, 0))

    assert near((255, 0, 0), image.getpixel((10, 30)))
    assert near((117, 117, 117), image.getpixel((50, 30)))


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("I", 32768, 128),
        ("I", 1 << 23, 128),
        ("I", 1 << 30, 128),
        ("I", -5, 0),
        ("F", 0.5, 128),
        ("F", 200.0, 200),
        ("F", 32768.0, 128),
        ("F", 1e6, 255),
        ("F", float("nan"), 0),
        ("F", float("inf"), 255),
        ("L", 77, 77),
        ("1", 1, 255),
    ],
)
def test_wide_modes_are_scaled(make, mode, value, expected):
    """Integers and floats of a TIFF come out by the range that they are in, never clipped to white."""
    image, _ = make(saved(Image.new(mode, (80, 80), value), "TIFF"))

    assert image.mode == "L"
    assert near(expected, image.getpixel((30, 30)), 1)


def half_clear(mode) -> Image.Image:
    """The left half opaque, the right half transparent."""
    image = Image.new("RGBA", (80, 80), (10, 200, 90, 255) if mode != "LA" else (90, 90, 90, 255))
    image.paste((0, 0, 0, 0), (40, 0, 80, 80))
    return image if mode == "RGBA" else image.convert(mode)


@pytest.mark.parametrize("background", [(255, 255, 255), (200, 0, 100)])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", "AVIF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_show_the_background(make, mode, kind, background):
    """Whatever the mode and format, opaque parts keep their colour and transparent ones show the background."""
    if (mode, kind) in {
        ("LA", "GIF"),
        ("P", "GIF"),
        ("P", "WEBP"),
        ("P", "AVIF"),
        ("LA", "AVIF"),
        ("P", "TIFF"),
    }:
        pytest.skip("Pillow does not write this mode so")
    lossless = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}}

    image, _ = make(saved(half_clear(mode), kind, **lossless.get(kind, {})), background=background)

    expected = (90, 90, 90) if mode == "LA" else (10, 200, 90)
    image = image.convert("RGB")
    assert near(expected, image.getpixel((5, 30)), 4)
    assert near(background, image.getpixel((60, 30)), 4)


def test_one_colour_can_be_transparent(make):
    """The one colour that a PNG without alpha calls transparent shows the background."""
    for mode, clear, solid in (("L", 7, 99), ("RGB", (7, 8, 9), (99, 99, 99))):
        image = Image.new(mode, (80, 80), clear)
        image.paste(solid, (0, 0, 40, 80))

        out, _ = make(saved(image, transparency=clear), background=(0, 0, 255))

        assert near((99, 99, 99), out.getpixel((5, 30)))
        assert near((0, 0, 255), out.getpixel((60, 30)))


def test_half_transparent_edges_do_not_darken(make):
    """Scaling weighs colours by their alpha: the hidden black of clear pixels does not bleed."""
    image = Image.new("RGBA", (80, 80), (255, 255, 255, 255))
    image.paste((0, 0, 0, 0), (41, 0, 80, 80))

    out, _ = make(saved(image), size=Size(20, 20))

    assert out.convert("L").getextrema()[0] >= 254


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF", "MPO"])
def test_of_many_frames_the_first_is_taken(make, kind):
    """Animations, pages and stereo pairs come out as their first picture."""
    frames = [Image.new("RGB", (80, 80), colour) for colour in ("red", "lime", "blue")]

    image, made = make(saved(frames[0], kind, save_all=True, append_images=frames[1:]))

    assert near((255, 0, 0), image.getpixel((30, 30)), 6)
    assert made.original == (80, 80)


@pytest.mark.parametrize(
    ("written", "mode"), [("jpg", "L"), ("png", "L"), ("webp", "RGB"), ("avif", "RGB"), ("keep", "L")]
)
def test_grey_stays_grey_where_the_format_knows_it(make, written, mode):
    """JPEG and PNG of a grey picture are grey; WebP and AVIF know colours only."""
    for source in (Image.new("L", (80, 80), 99), Image.new("LA", (80, 80), (99, 255))):
        image, _ = make(saved(source), format=Format(written))

        assert image.mode == mode
        assert near((99,) * 3, image.convert("RGB").getpixel((30, 30)), 2)


def test_grey_is_padded_with_colour_where_asked(make):
    """A grey picture on a coloured background is a colour picture; on a grey one it stays grey."""
    data = saved(Image.new("L", (80, 40), 99))

    coloured, _ = make(data, fit=Fit.CONTAIN, background=(255, 0, 0))
    grey, _ = make(data, fit=Fit.CONTAIN, background=(10, 10, 10))

    assert (coloured.getpixel((0, 0)), coloured.getpixel((30, 30))) == ((255, 0, 0), (99, 99, 99))
    assert (grey.mode, grey.getpixel((0, 0)), grey.getpixel((30, 30))) == ("L", 10, 99)


@pytest.mark.parametrize("chosen", list(Filter))
@pytest.mark.parametrize("shape", [(1, 1000), (1000, 1), (1, 1), (3, 5000)])
def test_extreme_shapes_have_sensible_sides(make, shape, chosen):
    """No side becomes 0 or enormous, with any filter and any fit that has a size."""
    data = saved(Image.new("RGB", shape, (10, 20, 30)), "JPEG")
    for fit in (Fit.INSIDE, Fit.COVER, Fit.CONTAIN, Fit.FILL):
        image, made = make(data, fit=fit, filter=chosen, size=Size(32, 32))

        assert image.size == made.size
        assert all(1 <= side <= 32 for side in image.size)


def test_cover_and_contain_show_the_middle(make):
    """Cropping keeps the middle; padding surrounds it with the background."""
    bars = Image.new("RGB", (300, 100), "red")
    bars.paste("lime", (100, 0, 200, 100))
    data = saved(bars)

    covered, _ = make(data, fit=Fit.COVER)
    contained, _ = make(data, fit=Fit.CONTAIN, background=(0, 0, 255))

    assert all(near((0, 255, 0), covered.getpixel((x, 32)), 12) for x in range(64))
    assert near((0, 255, 0), contained.getpixel((32, 32)))
    assert near((255, 0, 0), contained.getpixel((5, 32)))
    assert contained.getpixel((5, 5)) == contained.getpixel((5, 60)) == (0, 0, 255)


def test_a_premultiplied_picture(make):
    """Modes with premultiplied or padded colours, as TIFFs have them, come out right."""
    extra_samples = [struct.pack("<HHIHH", 338, 3, 1, meaning, 0) for meaning in (2, 1)]
    data = saved(half_clear("RGBA"), "TIFF").replace(*extra_samples)
    assert Image.open(io.BytesIO(data)).tag_v2[338] == (1,)
    padded = saved(Image.new("RGBX", (80, 80), (10, 200, 90, 0)), "TIFF")
    ycc = saved(Image.new("RGB", (80, 80), (10, 200, 90)).convert("YCbCr"), "TIFF")
    lab = saved(Image.new("LAB", (80, 80), (255, 128, 128)), "TIFF")

    assert near((10, 200, 90), make(data)[0].getpixel((5, 30)))
    assert near((10, 200, 90), make(padded)[0].getpixel((5, 30)))
    assert near((10, 200, 90), make(ycc)[0].getpixel((5, 30)), 3)
    assert near((255, 255, 255), make(lab)[0].getpixel((5, 30)), 3)
