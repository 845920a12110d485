"""Which pictures are left out, by what their header says: decided before anything is decoded."""

from __future__ import annotations

from imgpipe.errors import Kind, RecordError
from imgpipe.resize.geometry import Pair
from imgpipe.resize.options import ResizeOptions


def check(source: Pair, options: ResizeOptions) -> None:
    """Let a picture of `source` pixels pass, whichever way up it is.

    Raises:
        RecordError: `too_many_pixels`, `too_small`, `too_big` or `aspect`.
    """
    width, height = source
    shorter, longer = min(source), max(source)
    if shorter < 1:
        raise RecordError(Kind.DECODE, f"{width}x{height} pixels")
    if width * height > options.max_pixels:
        raise RecordError(
            Kind.TOO_MANY_PIXELS, f"{width}x{height} is more than {options.max_pixels} pixels (--max-pixels)"
        )
    if options.min_side is not None and shorter < options.min_side:
        raise RecordError(
            Kind.TOO_SMALL, f"{width}x{height}: a side is below {options.min_side} (--min-side)"
        )
    if options.max_side is not None and longer > options.max_side:
        raise RecordError(Kind.TOO_BIG, f"{width}x{height}: a side is over {options.max_side} (--max-side)")
    if options.max_aspect is not None and longer > options.max_aspect * shorter:
        raise RecordError(
            Kind.ASPECT, f"{width}x{height} is longer than {options.max_aspect:g} to 1 (--max-aspect)"
        )


def check_upright(source: Pair, options: ResizeOptions) -> None:
    """Let a picture pass that is `source` pixels large when it is the right way up.

    Raises:
        RecordError: `too_small` where a side is below that of the asked box.
    """
    if not options.skip_small:
        return
    for side, asked in zip(source, (options.size.width, options.size.height), strict=True):
        if asked is not None and side < asked:
            raise RecordError(
                Kind.TOO_SMALL, f"{source[0]}x{source[1]}: a side is below the size (--skip-small)"
            )
