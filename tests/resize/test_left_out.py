from __future__ import annotations

import io
import json
import struct
import time
import zlib
from pathlib import Path

import click
import profiles
import pytest
from helpers import assert_one_clear_line, picture, run_filter
from PIL import Image

from imgpipe.cli.resize import command
from imgpipe.resize.options import Format, ResizeOptions, Size

PASS = None


def seen(record) -> Image.Image:
    """The picture that a record leads to."""
    return Image.open(io.BytesIO(Path(record["path"]).read_bytes()))


@pytest.fixture
def folder(tmp_path):
    """Pictures of 300x200, 256x256, 100x400 and 20x20."""
    for width, height in ((300, 200), (256, 256), (100, 400), (20, 20)):
        (tmp_path / f"{width}x{height}.png").write_bytes(picture(width, height, "PNG"))
    return tmp_path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--skip-small"], ["too_small", PASS, "too_small", "too_small"]),
        (["--skip-small", "-s", "x200"], [PASS, PASS, PASS, "too_small"]),
        (["--skip-small", "-s", "101x"], [PASS, PASS, "too_small", "too_small"]),
        (["--min-side", "101"], [PASS, PASS, "too_small", "too_small"]),
        (["--min-side", "100"], [PASS, PASS, PASS, "too_small"]),
        (["--max-side", "399"], [PASS, PASS, "too_big", PASS]),
        (["--max-side", "400"], [PASS, PASS, PASS, PASS]),
        (["--max-aspect", "3.9"], [PASS, PASS, "aspect", PASS]),
        (["--max-aspect", "4"], [PASS, PASS, PASS, PASS]),
        (["--max-pixels", "60k"], [PASS, "too_many_pixels", PASS, PASS]),
        (["--max-pixels", "59999"], ["too_many_pixels", "too_many_pixels", PASS, PASS]),
        (["--min-side", "101", "--fit", "none"], [PASS, PASS, "too_small", "too_small"]),
    ],
)
def test_rules_leave_out_what_they_say(folder, options, expected):
    """Each rule leaves out exactly the pictures beyond its limit, with its own kind."""
    lines = ["300x200.png", "256x256.png", "100x400.png", "20x20.png"]

    result = run_filter("resize", "-q", "--ordered", *options, lines=lines, cwd=folder)

    assert [record.get("error") for record in result.records] == expected
    for record, name in zip(result.records, lines, strict=True):
        if record["status"] != "ok" and record["error"] != "too_many_pixels":
            assert (record["status"], record["retryable"]) == ("skipped", False)
            assert name.removesuffix(".png") in record["detail"]


def bomb(width, height) -> bytes:
    """The header of a PNG without pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )


@pytest.mark.parametrize("isolate", [[], ["--isolate"]])
def test_a_bomb_is_told_by_its_header(tmp_path, isolate):
    """A picture that claims 2**31 - 1 pixels a side fails by its header; so does one just over the limit."""
    (tmp_path / "bomb.png").write_bytes(bomb(2**31 - 1, 2**31 - 1))
    (tmp_path / "over.png").write_bytes(bomb(8001, 8000))
    (tmp_path / "under.png").write_bytes(bomb(8000, 8000))

    result = run_filter(
        "resize", "-q", "--ordered", *isolate, "bomb.png", "over.png", "under.png", cwd=tmp_path
    )

    assert [r["error"] for r in result.records] == ["too_many_pixels", "too_many_pixels", "decode"]


def test_thousands_of_frames_cost_one(make):
    """Of an animation of 10,000 frames the first is decoded and the rest left alone."""
    out = io.BytesIO()
    frames = [Image.new("RGB", (300, 300), colour) for colour in ("red", "lime")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    second = out.getvalue().rindex(b"\x21\xf9\x04")
    data = out.getvalue()[:-1] + 10_000 * out.getvalue()[second:-1] + b";"

    before = time.process_time()
    image, _ = make(data)

    assert time.process_time() - before < 0.2
    assert image.getpixel((5, 5)) == (255, 0, 0)


def test_formats_are_an_allow_list(tmp_path):
    """Only the formats that are listed are read; `+` adds one, `all` takes what Pillow reads."""
    image = Image.open(io.BytesIO(picture(40, 40)))
    for name in ("a.jpg", "a.png", "a.ico", "a.ppm", "a.jp2", "a.eps"):
        image.save(tmp_path / name)

    def taken(*options):
        names = ["a.jpg", "a.png", "a.ico", "a.ppm", "a.jp2", "a.eps"]
        result = run_filter("resize", "-q", "--ordered", *options, *names, cwd=tmp_path)
        assert {r["error"] for r in result.records if r["status"] != "ok"} <= {"not_image"}
        return [Path(r["path"]).suffix == ".jpg" and r["status"] == "ok" for r in result.records]

    assert taken() == [True, True, False, False, False, False]
    assert taken("--formats", "jpg") == [True, False, False, False, False, False]
    assert taken("--formats", "+ico,+ppm") == [True, True, True, True, False, False]
    assert taken("--formats", "png,jp2") == [False, True, False, False, True, False]
    assert taken("--formats", "all") == [True, True, True, True, True, False]


@pytest.mark.parametrize("isolate", [(), ("--isolate",)])
def test_a_format_that_nothing_reads_is_refused(isolate):
    """A name in `--formats` that Pillow has no decoder for, such as one with a typo, is an error before the first
    picture, and not a failure of each."""
    for names in ("jpgg", "+heic", "eps"):
        result = run_filter("resize", "--formats", names, *isolate, lines=["a.jpg"])

        assert_one_clear_line(result, 2, "--formats", "does not read", names.removeprefix("+"))
        assert result.out == b""


@pytest.mark.parametrize("options", [(), ("--formats", "all")])
def test_a_telephones_picture_is_told_as_what_it_is(tmp_path, options):
    """HEIC, which Pillow does not read, is told by its name and not as a broken file, whatever formats are asked for."""
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))

    [record] = run_filter("resize", *options, "a.heic", cwd=tmp_path).records

    assert record["error"] == "not_image"
    assert "image/heic is no format that Pillow reads" in record["detail"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_cut_file_fails_unless_asked(tmp_path, kind):
    """A file that ends early is a `decode` record; with `--keep-truncated` what is there of a JPEG or PNG is taken."""
    data = picture(300, 300, kind)
    (tmp_path / "cut").write_bytes(data[: len(data) * 2 // 3])

    failed = run_filter("resize", "-q", tmp_path / "cut").records[0]
    kept = run_filter("resize", "-q", "--keep-truncated", tmp_path / "cut").records[0]

    assert failed["error"] == "decode"
    if kind in ("JPEG", "PNG"):
        assert kept["status"] == "ok"


def test_exif_is_plain_json(tmp_path):
    """EXIF tags come by name, as plain values; what is long, broken or no number is left out."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x011A] = 72.5
    exif[0xC4A5] = b"\xff\xfe"
    exif.get_ifd(0x8769).update(
        {0x9000: b"0232", 0x829A: 0.004, 0x927C: b"\0" * 5000, 0x9286: b"ASCII\0\0\0hi"}
    )
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.5, 0.0)})
    Image.new("RGB", (30, 30)).save(tmp_path / "a.jpg", exif=exif)
    Image.new("RGB", (30, 30)).save(tmp_path / "b.jpg")
    (tmp_path / "c.jpg").write_bytes(
        (tmp_path / "a.jpg").read_bytes().replace(b"II*\0", b"IIxx").replace(b"MM\0*", b"MMxx")
    )

    result = run_filter("resize", "-q", "--exif", "--ordered", "a.jpg", "b.jpg", "c.jpg", cwd=tmp_path)

    first, second, third = (record["exif"] for record in result.records)
    assert first["Make"] == "Maker"
    assert (first["XResolution"], first["ExifVersion"], first["ExposureTime"]) == (72.5, "0232", 0.004)
    assert (first["GPSLatitudeRef"], first["GPSLatitude"]) == ("N", [48.0, 12.5, 0.0])
    assert first["UserComment"] == b"ASCII\0\0\0hi".hex()
    assert not {"MakerNote", "ExifOffset", "GPSInfo"} & first.keys()
    assert second == third == {}
    assert "exif" not in seen(result.records[0]).info


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF"])
def test_nothing_of_the_source_is_written_but_pixels(make, kind):
    """Comments, EXIF, XMP and tags of the source are not in the new file, whatever its format and size."""
    exif = Image.Exif()
    exif[0x010F] = "SECRET"
    settings = {
        "JPEG": {"exif": exif, "comment": b"SECRET", "xmp": b"<x>SECRET</x>"},
        "PNG": {"exif": exif},
        "GIF": {"comment": b"SECRET"},
        "TIFF": {"tiffinfo": {270: "SECRET", 315: "SECRET"}},
    }
    data = picture(64, 64, kind, **settings[kind])
    assert b"SECRET" in data
    for written in Format:
        for side in (64, 32):
            image, made = make(data, format=written, size=Size(side, side))

            assert b"SECRET" not in made.data
            assert not {"exif", "comment", "xmp", "icc_profile"} & image.info.keys()


def same_bytes(tmp_path, data, *options) -> bool:
    (tmp_path / "source").write_bytes(data)
    result = run_filter(
        "resize", "-q", "--skip-reencode", "-d", tmp_path / "out", *options, tmp_path / "source"
    )
    record = result.records[0]
    assert record["status"] == "ok", record
    assert record["bytes"] == Path(record["path"]).stat().st_size
    return Path(record["path"]).read_bytes() == data


def test_what_fits_already_keeps_its_bytes(tmp_path):
    """`--skip-reencode` gives the same bytes where size and format fit already, and only there."""
    jpeg, png = picture(256, 200, quality=70), picture(256, 200, "PNG")

    assert same_bytes(tmp_path, jpeg)
    assert same_bytes(tmp_path, png, "--format", "png")
    assert same_bytes(tmp_path, png, "--format", "keep")
    assert same_bytes(tmp_path, jpeg, "--fit", "none", "-s", "10")
    assert same_bytes(tmp_path, picture(200, 100), "--no-enlarge")
    assert same_bytes(tmp_path, picture(256, 200, mode="L"))
    assert not same_bytes(tmp_path, png)
    assert not same_bytes(tmp_path, picture(257, 200))
    assert not same_bytes(tmp_path, picture(200, 100))
    assert not same_bytes(tmp_path, jpeg, "--fit", "contain")


def test_what_would_change_is_encoded_anew(tmp_path):
    """A picture that lies on its side, has other colours or is transparent does not pass by its size alone."""
    turned = Image.Exif()
    turned[0x0112] = 3

    assert not same_bytes(tmp_path, picture(256, 256, exif=turned))
    assert not same_bytes(tmp_path, picture(256, 256, icc_profile=profiles.rgb("p3")))
    assert same_bytes(tmp_path, picture(256, 256, icc_profile=profiles.rgb("p3")), "--keep-icc")
    assert same_bytes(tmp_path, picture(256, 256, icc_profile=profiles.rgb("srgb")))
    assert not same_bytes(tmp_path, picture(256, 256, mode="CMYK"))
    assert not same_bytes(tmp_path, picture(256, 256, "PNG", mode="RGBA"), "--format", "png")
    (tmp_path / "boxes").write_text(json.dumps({"path": str(tmp_path / "source"), "b": [[0, 0, 1, 1]]}))
    result = run_filter(
        "resize", "-q", "--skip-reencode", "--blur", "b", stdin=(tmp_path / "boxes").read_bytes()
    )
    assert Path(result.records[0]["path"]) != tmp_path / "source"


def test_skipping_the_encoding_still_decodes(tmp_path):
    """A picture that fits by its header but is broken behind it fails all the same."""
    data = picture(256, 256)
    (tmp_path / "cut.jpg").write_bytes(data[:-1000])

    assert run_filter("resize", "-q", "--skip-reencode", tmp_path / "cut.jpg").records[0]["error"] == "decode"


@pytest.mark.parametrize("isolate", [[], ["--isolate"]])
def test_what_keeps_its_bytes_keeps_its_file(tmp_path, spool, isolate):
    """Without `-d` an unchanged file is passed on as it is: the user's as the user's, a spooled one as spooled."""
    mine = tmp_path / "mine.jpg"
    mine.write_bytes(picture(256, 256))
    run = spool / "imgpipe-run-1-aaaa"
    run.mkdir(parents=True)
    (run / "1.jpg").write_bytes(picture(256, 256))
    lines = [{"path": str(mine)}, {"path": str(run / "1.jpg"), "spooled": True}]

    result = run_filter("resize", "-q", "--ordered", "--skip-reencode", *isolate, lines=lines)

    assert [(r["path"], r["spooled"]) for r in result.records] == [
        (str(mine), False),
        (str(run / "1.jpg"), True),
    ]
    assert mine.exists()
    assert (run / "1.jpg").exists()


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("AVIF", "avif"), ("GIF", "gif"), ("BMP", "bmp"),
     ("TIFF", "tiff"), ("MPO", "jpg"), ("JPEG2000", "png"), ("PPM", "png")],
)  # fmt: skip
def test_keep_writes_the_format_of_the_source(tmp_path, kind, suffix):
    """`--format keep` writes what it read, or PNG where that is not written."""
    (tmp_path / "a").write_bytes(picture(300, 300, kind))

    record = run_filter("resize", "-q", "--format", "keep", "--formats", "all", tmp_path / "a").records[0]

    assert record["path"].endswith(f".{suffix}")
    assert seen(record).size == (256, 256)


def test_a_large_file_is_not_read_at_once(tmp_path):
    """A file of over 32 MiB is decoded as it is read, and can keep its bytes."""
    noise = Image.effect_noise((3600, 3200), 90).convert("RGB")
    noise.save(tmp_path / "large.bmp")
    assert (tmp_path / "large.bmp").stat().st_size > 32 << 20

    small = run_filter("resize", "-q", tmp_path / "large.bmp").records[0]
    kept = run_filter(
        "resize",
        "-q",
        "--skip-reencode",
        "--fit",
        "none",
        "--format",
        "keep",
        "-d",
        tmp_path / "out",
        tmp_path / "large.bmp",
    ).records[0]

    assert (small["width"], small["height"]) == (256, 228)
    assert Path(kept["path"]).read_bytes() == (tmp_path / "large.bmp").read_bytes()


@pytest.mark.parametrize(
    ("colour", "expected"),
    [("black", 0), ("#0a0a0a", 10), ("0B0B0B", 11), ("#ccc", 204), ("White", 255)],
)
def test_backgrounds_are_names_or_numbers(tmp_path, colour, expected):
    """A colour is one of CSS's common names, or its red, green and blue in hexadecimal."""
    Image.new("L", (10, 20), 99).save(tmp_path / "a.png")

    record = run_filter(
        "resize", "-q", "--fit", "contain", "--background", colour, "--format", "png", tmp_path / "a.png"
    ).records[0]

    assert seen(record).convert("L").getpixel((2, 2)) == expected


def test_each_default_of_the_command_is_that_of_its_options():
    """The defaults that the command shows are those of the options dataclass."""
    options, context = ResizeOptions(), click.Context(command)
    params = {param.name: param for param in command.params}
    names = ("size", "fit", "max_pixels", "background", "quality", "formats", "timeout", "max_memory")

    for name, own in [*zip(names, names, strict=True), ("filter_", "filter"), ("format_", "format")]:
        shown = params[name].type_cast_value(context, params[name].get_default(context))
        assert shown == getattr(options, own), name


@pytest.mark.parametrize(("written", "side"), [("jpg", 65_501), ("webp", 16_384), ("avif", 70_000)])
def test_a_side_that_the_format_cannot_hold_is_an_encode_record(tmp_path, written, side):
    """A picture too long for the format fails alone, with nothing of the library's own on standard error."""
    Image.new("L", (side, 2)).save(tmp_path / "long.png")

    result = run_filter("resize", "-q", "--fit", "none", "--format", written, tmp_path / "long.png")

    assert (result.records[0]["error"], result.err) == ("encode", "")
