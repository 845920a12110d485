"""How near resized pictures are to the exact ones: resize_quality.py FOLDER [--size N] [--pictures N].

The median and the 5th percentile of the PSNR, in dB, of each filter, against the same filter over the fully
decoded picture in floating point; as `imgpipe resize --format png` makes them, with the extra `fast` and
without. Needs numpy.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from imgpipe.resize.options import Filter, Format, ResizeOptions, Size


def exact(path: Path, size: tuple[int, int], resample: Image.Resampling) -> np.ndarray:
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    bands = [np.asarray(band.convert("F").resize(size, resample)) for band in image.split()]
    return np.stack(bands, -1).clip(0, 255)


def psnr(path: Path, data: bytes, resample: Image.Resampling) -> float:
    out = Image.open(io.BytesIO(data)).convert("RGB")
    error = np.mean((exact(path, out.size, resample) - np.asarray(out, float)) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-9))


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
    from imgpipe.resize.pixels import RESAMPLING  # noqa: PLC0415 - as above

    paths = sorted(args.folder.iterdir())[: args.pictures]
    for chosen in Filter:
        options = ResizeOptions(size=Size(args.size, args.size), filter=chosen, format=Format.PNG)
        prepare(options)
        codec = Codec(options)
        db = [psnr(path, codec(Job(str(path))).data, RESAMPLING[chosen]) for path in paths]
        print(f"{chosen:9} median {np.median(db):5.1f} dB, 5th percentile {np.percentile(db, 5):5.1f} dB")


if __name__ == "__main__":
    main()
