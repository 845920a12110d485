"""A record: one JSON object a line, parsed, changed and written back.

A record is a plain `dict` in the order of its line, so that fields which imgpipe does not know pass
through untouched.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn, TypeAlias

import orjson

from imgpipe.errors import DETAIL_LENGTH, Kind, RecordError, Status, retryable, safe

Record: TypeAlias = dict[str, Any]
"""One record. Keys are field names in the order of the line, values are JSON values."""

MAX_LINE: Final = 1 << 20
"""Bytes of the longest line that is parsed; a longer one becomes a `bad_line` record."""

STAGE_FIELDS: Final = (
    "status",
    "stage",
    "error",
    "detail",
    "retryable",
    "path",
    "spooled",
    "bytes",
    "media_type",
    "sha256",
    "http_status",
    "final_url",
    "attempts",
    "seconds",
    "width",
    "height",
    "original_width",
    "original_height",
    "exif",
    "shard",
    "file_name",
)
"""The fields that stages set, `seq` aside: what work done anew removes first."""

ERROR_FIELDS: Final = ("stage", "error", "detail", "retryable")

# orjson turns integers beyond 64 bits into floats, and refuses to write them; such a line, known by
# a long run of digits, takes the standard library, which is exact.
_LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")

# orjson reads 1,024 levels but writes 254: a deeper value is refused while it is still a line.
_DEEP: Final = 250


def parse(line: bytes, bare: str) -> Record:
    """The record of one line, without its end of line.

    Args:
        line: Not blank, without LF.
        bare: The field that a bare value fills: `url` or `path`.

    Raises:
        RecordError: `bad_line` where the line is not UTF-8 or not a JSON object.
    """
    if len(line) > MAX_LINE:
        raise too_long(line)
    if not line.lstrip(b" \t").startswith(b"{"):
        try:
            return {bare: line.decode("utf-8")}
        except UnicodeDecodeError as error:
            raise _bad(line, f"not UTF-8 at byte {error.start + 1}") from error
    try:
        record = loads(line)
        if line.count(b"[") + line.count(b"{") > _DEEP and _is_deep(record):
            raise ValueError(f"nested more than {_DEEP} deep")  # noqa: TRY301 - one place makes the error
    except UnicodeDecodeError as error:
        raise _bad(line, f"not UTF-8 at byte {error.start + 1}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _bad(line, f"not JSON: {error}") from error
    return _as_object(record)


def loads(line: bytes) -> Any:
    """The value of one line of JSON, with every integer exact.

    Raises:
        ValueError: It is not JSON, or not UTF-8.
        RecursionError: It is nested too deep.
    """
    if _LONG_NUMBER.search(line):
        return json.loads(line.decode("utf-8"), parse_constant=refuse_constant, parse_float=finite)
    return orjson.loads(line)


def _is_deep(record: Any) -> bool:
    level = [record]
    for _ in range(_DEEP):
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def _as_object(value: Any) -> Record:
    assert isinstance(value, dict), "a JSON text that begins with a brace is an object"
    return value


def refuse_constant(name: str) -> NoReturn:
    """Refuse `NaN` and `Infinity`, which the standard library would take."""
    raise ValueError(f"{name} is not JSON")


def finite(digits: str) -> float:
    """The number, unless it is too large to be one.

    Raises:
        ValueError: It would be infinite.
    """
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def too_long(start: bytes) -> RecordError:
    """The error of a line of over `MAX_LINE` bytes that begins with `start`."""
    return _bad(start, f"longer than {MAX_LINE} bytes")


def _bad(line: bytes, why: str) -> RecordError:
    excerpt = line[:200].decode("utf-8", "backslashreplace")
    return RecordError(Kind.BAD_LINE, f"{why}: {excerpt}")


def dump(record: Record) -> bytes:
    """One line of UTF-8 JSON with its LF.

    Raises:
        TypeError: The record holds what JSON cannot: a bug of a stage.
    """
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError as error:
        try:
            return json.dumps(record, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
        except ValueError:
            raise error from None


_STEERING: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def dump_for_terminal(record: Record) -> bytes:
    """The same line, equal as JSON, without a character that could steer a terminal.

    JSON itself escapes C0; this escapes DEL, C1 and the bidirectional controls too.
    """
    text = dump(record).decode("utf-8")
    return _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode("utf-8")


def is_over(record: Record) -> bool:
    """Whether an earlier stage failed or skipped the record, so that later ones pass it on."""
    return record.get("status") in (Status.FAILED, Status.SKIPPED)


def clean(record: Record) -> Record:
    """A copy without the fields that stages set (`seq` stays): the start of work done anew."""
    return {name: value for name, value in record.items() if name not in STAGE_FIELDS}


def succeed(record: Record) -> Record:
    """Mark the record as ok, in place, and drop what told of an earlier error."""
    for name in ERROR_FIELDS:
        record.pop(name, None)
    record["status"] = Status.OK.value
    return record


def fail(record: Record, stage: str, error: RecordError) -> Record:
    """Mark the record as failed or skipped by `stage`, in place.

    Whose file `path` is stays in the record: the caller settles it before (see `spool`).
    """
    record["status"] = error.kind.status.value
    record["stage"] = stage
    record["error"] = error.kind.value
    record["detail"] = safe(error.detail, DETAIL_LENGTH)
    record["retryable"] = retryable(error.kind, stage, error.http_status)
    return record
