"""Photographs as they are on the web: corpus.py OUT N [FOLDER].

Crops of the large photographs in FOLDER. Without it, of Debian's wallpapers, which are downloaded beside OUT where
`apt-get` is there, or else of the photographs that imgpipe carries (which are small: their crops have less to
decode). Sides are log-normal with a median of 640 pixels; 88 % are JPEG, of which a third progressive, 8 % PNG,
4 % WebP. The same photographs give the same pictures.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from PIL import Image

from imgpipe.bench import pictures

WALLPAPERS = ("mate-backgrounds", "gnome-backgrounds", "plasma-workspace-wallpapers")
"""Packages of Debian with photographs of some megapixels."""

BATCH = 25
"""Pictures that one process makes in a row: one opened photograph serves for five of them."""


def photographs(folder: Path) -> tuple[str, list[Path]]:
    """The large photographs to cut from, downloaded into `folder` if need be; what they are, and their paths."""
    if not folder.is_dir() and shutil.which("apt-get") and shutil.which("dpkg"):
        _download(folder)
    found = _large(folder)
    if found:
        return "Debian's wallpapers", found
    return "imgpipe's own photographs", sorted(pictures.FOLDER.glob("*.jpg"))


def _download(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in WALLPAPERS:
        # A package that is gone, or no network: the others will do, or imgpipe's own.
        subprocess.run(
            ["apt-get", "-qq", "download", name], cwd=folder, stderr=subprocess.DEVNULL, check=False
        )
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, folder / "unpacked"], check=True)
        package.unlink()


def _large(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.jp*g") if path.stat().st_size > 100_000)


def make(out: Path, count: int, sources: list[Path]) -> None:
    """Fill `out` with `count` pictures, on all cores; one that is filled already is left alone."""
    if out.is_dir() and len(list(out.iterdir())) == count:
        return
    shutil.rmtree(out, ignore_errors=True)
    partial = out.with_name(f"{out.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    batches = [range(first, min(first + BATCH, count)) for first in range(0, count, BATCH)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_make, repeat(partial), batches, repeat(sources)))
    os.rename(partial, out)


def _make(out: Path, numbers: range, sources: list[Path]) -> None:
    draw = random.Random(numbers[0])
    cuts = _crops(draw, sources)
    for number in numbers:
        piece, kind = next(cuts), draw.random()
        if kind < 0.88:
            quality = draw.choice([75, 80, 85, 90, 95])
            piece.save(out / f"{number:06d}.jpg", quality=quality, progressive=draw.random() < 0.3)
        elif kind < 0.96:
            piece.save(out / f"{number:06d}.png", compress_level=6)
        else:
            piece.save(out / f"{number:06d}.webp", quality=80)


def _crops(draw: random.Random, sources: list[Path]) -> Iterator[Image.Image]:
    while True:
        image = Image.open(draw.choice(sources)).convert("RGB")
        for _ in range(5):
            width = min(3000, max(120, int(draw.lognormvariate(6.46, 0.55))))
            height = max(64, int(width / draw.choice([0.67, 0.75, 1.0, 1.33, 1.5, 1.78])))
            zoom = draw.uniform(1.0, 2.5)
            part = min(image.width, int(width * zoom)), min(image.height, int(height * zoom))
            left, top = draw.randint(0, image.width - part[0]), draw.randint(0, image.height - part[1])
            box = (left, top, left + part[0], top + part[1])
            yield image.resize((width, height), Image.Resampling.LANCZOS, box)


if __name__ == "__main__":
    given = [Path(word) for word in sys.argv[1:]]
    large = _large(given[2]) if len(given) > 2 else photographs(given[0].with_name("photographs"))[1]
    make(given[0], int(sys.argv[2]), large)
