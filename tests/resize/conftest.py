from __future__ import annotations

import io

import pytest
from PIL import Image

from imgpipe.resize.codec import Codec, prepare
from imgpipe.resize.job import Job
from imgpipe.resize.options import Format, ResizeOptions, Size


@pytest.fixture
def make(tmp_path):
    """Resizes the bytes of a file with options, to 64 and as PNG where nothing else is said; the picture and
    what was made of it."""

    def make(data: bytes, regions=(), **options):
        path = tmp_path / "source"
        path.write_bytes(data)
        chosen = ResizeOptions(**({"size": Size(64, 64), "format": Format.PNG} | options))
        prepare(chosen)
        made = Codec(chosen)(Job(str(path), regions))
        return Image.open(io.BytesIO(made.data)), made

    return make
