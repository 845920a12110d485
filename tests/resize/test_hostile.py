from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from helpers import picture, run_filter

CORPUS = os.environ.get("IMGPIPE_PILLOW_IMAGES", "")
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
EACH = 300
"""Mutations of each format: 2,100 in all."""


def assert_all_told(result, paths):
    """One record for each file, of the kinds that broken files have, and no word of Python's."""
    assert result.code == 0, result.err
    assert "Traceback" not in result.err
    assert [record["path"] if record["status"] != "ok" else None for record in result.records] == [
        str(path) if record["status"] != "ok" else None
        for path, record in zip(paths, result.records, strict=True)
    ]
    kinds = Counter(record.get("error", "ok") for record in result.records)
    assert kinds.keys() <= {"ok", "not_image", "decode", "too_many_pixels", "aspect"}, kinds
    return kinds


@pytest.mark.slow
@pytest.mark.skipif(
    not CORPUS, reason="IMGPIPE_PILLOW_IMAGES is not set to Tests/images of Pillow's source distribution"
)
@pytest.mark.parametrize("formats", [[], ["--formats", "all"]])
@pytest.mark.parametrize("isolate", [[], ["--isolate", "--timeout", "2", "--max-memory", "1G"]])
def test_every_file_of_pillows_corpus_is_one_record(tmp_path, formats, isolate):
    """Every file of Pillow's own tests, the crashing and endless ones too, is one record: no traceback, no dead
    worker, under two seconds and 1 GiB each."""
    paths = sorted(path for path in Path(CORPUS).rglob("*") if path.is_file())
    assert len(paths) > 500

    result = run_filter(
        "resize", "-q", "--ordered", "-d", tmp_path, *formats, *isolate, lines=map(str, paths), timeout=300
    )

    kinds = assert_all_told(result, paths)
    assert kinds["ok"] > len(paths) // 2


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The file with a few bytes changed, taken out, doubled or cut off."""
    mutant = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(len(mutant)) if rng.random() < 0.5 else rng.randrange(min(len(mutant), 64))
        action = rng.randrange(5)
        if action == 0:
            mutant[at] = rng.randrange(256)
        elif action == 1:
            mutant[at] ^= 1 << rng.randrange(8)
        elif action == 2:
            mutant[at : at + 4] = rng.choice(
                (b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\0\0\xff\xff")
            )
        elif action == 3 and len(mutant) > 100:
            del mutant[at : at + rng.randrange(1, 30)]
        else:
            mutant[at:at] = mutant[at : at + rng.randrange(1, 30)]
    return bytes(mutant[: rng.randrange(1, len(mutant))] if rng.random() < 0.1 else mutant)


@pytest.mark.parametrize("kind", FORMATS)
def test_mutations_are_one_record_each(tmp_path, kind):
    """Hundreds of broken variants of a good file, with the metadata that files have, are one record each."""
    rng = random.Random(f"imgpipe {kind}")
    good = [picture(60, 40, kind, seed=1), picture(33, 77, kind, mode="L", seed=2)]
    paths = [tmp_path / f"{i:04d}" for i in range(EACH)]
    for path in paths:
        path.write_bytes(mutated(rng.choice(good), rng))

    result = run_filter(
        "resize", "-q", "--ordered", "--isolate", "--timeout", "2", "--exif", "-d", tmp_path / "out",
        lines=map(str, paths), timeout=120,
    )  # fmt: skip

    kinds = assert_all_told(result, paths)
    assert kinds["ok"] < EACH
