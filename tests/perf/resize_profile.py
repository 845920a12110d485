"""Where the time of resizing goes: resize_profile.py FOLDER [OPTION=VALUE]...

Makes each picture in FOLDER in one thread, and prints the milliseconds of CPU that a picture takes, step by
step, and the share of what no program can do without: reading, decoding, encoding and writing.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from PIL import ImageFile

from imgpipe.resize import codec, handles, pixels
from imgpipe.resize import run as stage
from imgpipe.resize.options import ResizeOptions, Size
from imgpipe.resize.place import Place

FLOOR = ("read", "decode", "encode", "write")
spent: Counter[str] = Counter()
inside: list[float] = []


def timed(name, function):
    """The function, with its own time, without that of timed ones in it, counted under `name`."""

    def measured(*args, **kwargs):
        started = time.thread_time()
        inside.append(0.0)
        try:
            return function(*args, **kwargs)
        finally:
            took = time.thread_time() - started
            spent[name] += took - inside.pop()
            if inside:
                inside[-1] += took

    return measured


def opened(path):
    """`handles.opened`, with its time counted as reading."""
    started = time.thread_time()
    manager = real_opened(path)
    got = manager.__enter__()
    took = time.thread_time() - started
    spent["read"] += took
    inside[-1] += took

    @contextlib.contextmanager
    def already():
        yield got
        with contextlib.suppress(StopIteration):
            manager.__exit__(None, None, None)

    return already()


real_opened = handles.opened


def main(folder: str, *settings: str) -> None:
    handles.opened = opened
    codec._identify = timed("open", codec._identify)
    codec._orientation = timed("exif", codec._orientation)
    codec._encode = timed("encode", codec._encode)
    ImageFile.ImageFile.load = timed("decode", ImageFile.ImageFile.load)
    pixels.Scaler.__call__ = timed("scale", pixels.Scaler.__call__)
    pixels.Colours.to_srgb = timed("colour", pixels.Colours.to_srgb)
    pixels.plain = timed("mode", pixels.plain)
    Place.put = timed("write", Place.put)
    with tempfile.TemporaryDirectory() as out:
        chosen = dict(setting.split("=") for setting in settings)
        size = Size(*[int(chosen.pop("size", 256))] * 2)
        options = ResizeOptions(folder=Path(out), size=size, **chosen)
        worker = timed("rest", stage.Stage(stage._maker(options), Place(options.folder, None), options))
        paths = sorted(str(path) for path in Path(folder).iterdir())
        done = [worker({"path": path}) for path in paths]
    total = sum(spent.values())
    print(
        f"{len(done)} pictures, {sum(r['status'] == 'ok' for r in done)} ok, {total / len(done) * 1e3:.2f} ms each"
    )
    for name, seconds in spent.most_common():
        print(f"  {name:8} {seconds / len(done) * 1e3:6.3f} ms  {seconds / total:6.1%}")
    print(f"  floor ({', '.join(FLOOR)}): {sum(spent[name] for name in FLOOR) / total:.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
