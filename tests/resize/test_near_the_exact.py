from __future__ import annotations

import io
import math

import pytest
from PIL import Image

from imgpipe.resize.options import Filter, Size
from imgpipe.resize.pixels import RESAMPLING


def detailed(width=1500, height=1000) -> Image.Image:
    """A picture with edges, slopes and fine detail, as photographs have them."""
    base = Image.effect_mandelbrot((width // 4, height // 4), (-2, -1.2, 1, 1.2), 60).resize((width, height))
    noise = Image.effect_noise((width // 3, height // 3), 40).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    return Image.merge("RGB", (base, Image.blend(base, noise, 0.3), noise))


def psnr(found: Image.Image, exact: list[Image.Image]) -> float:
    """Decibels between a picture and the exact bands in floating point."""
    total = 0.0
    for band, wanted in zip(found.split(), exact, strict=True):
        pairs = zip(band.tobytes(), memoryview(wanted.tobytes()).cast("f"), strict=True)
        total += sum((value - min(255.0, max(0.0, share))) ** 2 for value, share in pairs)
    return 10 * math.log10(255**2 * 3 * found.width * found.height / max(total, 1e-9))


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "Pillow"])
@pytest.mark.parametrize("chosen", list(Filter))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_each_filter_is_near_its_exact_form(make, monkeypatch, kind, chosen, fast):
    """Reduced decoding and quick scaling cannot be told from one exact pass over the whole picture."""
    if fast:
        pytest.importorskip("cykooz_resizer", reason="needs the extra fast")
    else:
        monkeypatch.setitem(__import__("sys").modules, "cykooz_resizer", None)
    out = io.BytesIO()
    detailed().save(out, kind, **({"quality": 90} if kind == "JPEG" else {}))
    whole = Image.open(io.BytesIO(out.getvalue())).convert("RGB")

    for side in (256, 100):
        image, _ = make(out.getvalue(), size=Size(side, side), filter=chosen)

        exact = [band.convert("F").resize(image.size, RESAMPLING[chosen]) for band in whole.split()]
        assert psnr(image, exact) > 42
