"""How a job and its result travel between a stage and a decoder's process: JSON and bytes, framed.

What comes back is only parsed, never unpickled: a picture may have taken the process over.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import orjson

from imgpipe.errors import Kind, RecordError
from imgpipe.resize.job import Job, Made

FRAME: Final = struct.Struct(">IQ")
"""Bytes of the JSON part and of the data after it."""

MOST_TEXT: Final = 1 << 20
"""Bytes of a JSON part: a record's EXIF fits many times."""


def pack(text: dict[str, Any], data: bytes = b"") -> bytes:
    """One message."""
    encoded = orjson.dumps(text)
    return FRAME.pack(len(encoded), len(data)) + encoded + data


def job_text(job: Job) -> dict[str, Any]:
    """A job as JSON has it; its path may hold bytes that are no UTF-8."""
    return {"path": job.path.encode("utf-8", "surrogateescape").hex(), "regions": job.regions}


def job_from(text: dict[str, Any]) -> Job:
    """The job of `job_text`."""
    path = bytes.fromhex(text["path"]).decode("utf-8", "surrogateescape")
    return Job(path, tuple((a, b, c, d) for a, b, c, d in text["regions"]))


def made_text(made: Made) -> dict[str, Any]:
    """A result as JSON has it, without its data."""
    return {
        "unchanged": made.unchanged,
        "media_type": made.media_type,
        "size": made.size,
        "original": made.original,
        "exif": made.exif,
    }


def error_text(error: RecordError, *, last: bool) -> dict[str, Any]:
    """A failure as JSON has it; `last` where its process takes no more jobs after it."""
    detail = error.detail.encode("utf-8", "backslashreplace").decode()
    return {"kind": error.kind.value, "detail": detail, "last": last}


def is_last(text: Any) -> bool:
    """Whether the process that sent this takes no more jobs."""
    return isinstance(text, dict) and text.get("last") is True


def made_from(text: Any, data: bytes) -> Made:
    """The result of `made_text` and its data.

    Raises:
        RecordError: The failure of `error_text`.
        ValueError: It is neither.
    """
    if not isinstance(text, dict):
        raise ValueError("not an object")  # noqa: TRY004 - a message that is no message
    if "kind" in text:
        raise RecordError(Kind(text["kind"]), str(text["detail"]))
    try:
        size, original = (_pair(text[name]) for name in ("size", "original"))
        exif = text["exif"]
        if not (exif is None or isinstance(exif, dict)):
            raise ValueError("exif is no object")
        return Made(data, bool(text["unchanged"]), str(text["media_type"]), size, original, exif)
    except (KeyError, TypeError) as error:
        raise ValueError(f"a part is missing: {error}") from error


def _pair(value: Any) -> tuple[int, int]:
    width, height = value
    return int(width), int(height)
