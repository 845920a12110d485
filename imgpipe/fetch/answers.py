"""What an answer's head means: a redirect to follow, a file to take, or why not. Pure decisions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, TypeAlias

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import optout, retry

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Names in lower case, with values, in the order of the answer."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NO_BODY: Final = frozenset({204, 205})
_WHOLE_RANGE: Final = re.compile(rb"bytes 0-(\d{1,18})/(\d{1,18})")


def header(headers: Headers, name: bytes) -> bytes | None:
    """The value of the last header of that name; None where there is none."""
    found = None
    for key, value in headers:
        if key == name:
            found = value
    return found


def location(status: int, headers: Headers) -> bytes | None:
    """Where a redirect leads; None where the answer is no redirect.

    Raises:
        RecordError: `redirects` where it is one without saying where.
    """
    if status not in _REDIRECTS:
        return None
    found = header(headers, b"location")
    if not found:
        raise RecordError(Kind.REDIRECTS, f"{status} without a Location", http_status=status)
    return found


def check(status: int, headers: Headers, max_bytes: int, *, heed_opt_outs: bool) -> None:
    """Refuse an answer whose body is not to be read.

    Raises:
        RecordError: `http_status`, `throttled`, `empty`, `incomplete`, `opted_out` or `too_large`.
    """
    if status in _NO_BODY:
        raise RecordError(Kind.EMPTY, f"{describe(status)}: no body", http_status=status)
    if not 200 <= status < 300:
        raise _refused(status, headers)
    if heed_opt_outs:
        optout.check(headers)
    content_range = header(headers, b"content-range")
    if (status == 206 or content_range is not None) and not _is_whole(content_range or b""):
        raise RecordError(
            Kind.INCOMPLETE, "only a part was sent, though the whole was asked for", http_status=status
        )
    length = header(headers, b"content-length")
    if length is not None and length.isdigit() and int(length) > max_bytes:
        raise RecordError(
            Kind.TOO_LARGE, f"{int(length)} bytes, over {max_bytes} (--max-bytes)", http_status=status
        )


def _refused(status: int, headers: Headers) -> RecordError:
    asked = header(headers, b"retry-after")
    seconds = retry.retry_after(asked) if asked is not None else None
    if status in retry.SLOW_DOWN and seconds is not None and seconds > retry.LONGEST_WAIT:
        why = f"{describe(status)}: asked to wait {seconds:.0f} s"
        return RecordError(Kind.THROTTLED, why, http_status=status, retry_after=seconds)
    return RecordError(Kind.HTTP_STATUS, describe(status), http_status=status, retry_after=seconds)


def _is_whole(content_range: bytes) -> bool:
    found = _WHOLE_RANGE.fullmatch(content_range.strip())
    return found is not None and int(found[1]) + 1 == int(found[2])


def describe(status: int) -> str:
    """The status with its standard phrase; the server's own words are not repeated."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
