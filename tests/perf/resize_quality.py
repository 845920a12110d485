"""How near resized pictures are to the exact ones: resize_quality.py FOLDER [--size N] [--pictures N].

The median and the 5th percentile of the PSNR, in dB, of each filter, against the same filter over the fully
decoded picture in floating point; as `imgpipe resize --format png` makes them, with the extra `fast` and
without. Needs numpy.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
from pathlib import Path

import numpy as np
import peers
from lab import Lab
from PIL import Image, ImageOps
from resize_speed import NO_FAST, PEER_MODE, SIZE
from turns import IMGPIPE, Bound, Measures, Row, into_fresh, timed

from imgpipe.resize.options import Filter, Format, ResizeOptions, Size


def exact(path: Path, size: tuple[int, int], resample: Image.Resampling) -> np.ndarray:
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    bands = [np.asarray(band.convert("F").resize(size, resample)) for band in image.split()]
    return np.stack(bands, -1).clip(0, 255)


def psnr(path: Path, data: bytes, resample: Image.Resampling) -> float:
    out = Image.open(io.BytesIO(data)).convert("RGB")
    error = np.mean((exact(path, out.size, resample) - np.asarray(out, float)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def rows(lab: Lab) -> list[Row]:
    """The likeness of our pictures and of the peer's to an exact Lanczos."""
    paths = lab.pictures[: lab.sizes.judged]
    listed = lab.listed("judged", map(str, paths))
    ours = [IMGPIPE, "resize", "-q", "-s", str(SIZE), "--format", "png", "-d", str(lab.out)]
    theirs = peers.resizer(lab.peers, SIZE, PEER_MODE, "png", lab.out, listed)
    return [
        Row(
            name="resize-quality",
            work=f"`resize` to {SIZE}, likeness to the exact picture",
            against="img2dataset's resizer",
            ours=lambda: into_fresh(lab.out, lambda: _likeness(ours, listed, paths, lab.out)),
            theirs=lambda: into_fresh(lab.out, lambda: _likeness(theirs, listed, paths, lab.out)),
            command=f"imgpipe resize -q -s {SIZE} --format png -d OUT < PATHS",
            against_command=f"Resizer(image_size={SIZE}, resize_mode={PEER_MODE!r}, encode_format='png')",
            each=len(paths),
            bounds=(Bound("db", 50, "least"),),
            turns=1,
            missing=lab.no_peers or NO_FAST,
        )
    ]


def _likeness(words: list[str], listed: Path, paths: list[Path], out: Path) -> Measures:
    """The median PSNR of what a command makes of the pictures; both name their files in the pictures' order."""
    timed(words, stdin=listed)
    made = sorted(out.iterdir(), key=lambda path: int(path.stem))
    pairs = zip(paths, made, strict=True)
    return {
        "db": statistics.median(psnr(path, new.read_bytes(), Image.Resampling.LANCZOS) for path, new in pairs)
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--without-fast", action="store_true", help="as without the extra")
    args = parser.parse_args()
    if args.without_fast:
        sys.modules["cykooz_resizer"] = None
    from imgpipe.resize.codec import Codec, prepare  # noqa: PLC0415 - after the extra is hidden
    from imgpipe.resize.job import Job  # noqa: PLC0415 - after the extra was hidden or not
    from imgpipe.resize.pixels import RESAMPLING  # noqa: PLC0415 - after the extra was hidden or not

    paths = sorted(args.folder.iterdir())[: args.pictures]
    for chosen in Filter:
        options = ResizeOptions(size=Size(args.size, args.size), filter=chosen, format=Format.PNG)
        prepare(options)
        codec = Codec(options)
        db = [psnr(path, codec(Job(str(path))).data, RESAMPLING[chosen]) for path in paths]
        print(f"{chosen:9} median {np.median(db):5.1f} dB, 5th percentile {np.percentile(db, 5):5.1f} dB")


if __name__ == "__main__":
    main()
