"""What can go wrong: the closed list of kinds, the exceptions and the exit codes.

    ImgpipeError
     +-- RecordError      one record failed or was skipped; the stream goes on
     +-- ProcessError     the whole process ends, with one line and an exit code
          +-- UsageError      the command line or the input cannot be used (2)
          +-- IncompleteError the input ended early, as where a stage before was stopped (1)
          +-- OutputError     the output cannot be written (4)

A record's error is a value in the stream, made of a `Kind` and a line for people. Only a
`ProcessError` reaches the command line; any other exception there is a bug (1).
"""

from __future__ import annotations

import enum
import re
import unicodedata
from typing import Final


class Status(enum.StrEnum):
    """What became of a record."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


class Kind(enum.StrEnum):
    """Why a record failed or was skipped. The list is closed: consumers may rely on it."""

    BAD_LINE = "bad_line"
    BAD_URL = "bad_url"
    BAD_SCHEME = "bad_scheme"
    INTERNAL = "internal"

    DNS = "dns"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    INCOMPLETE = "incomplete"
    THROTTLED = "throttled"
    HTTP_STATUS = "http_status"
    TLS = "tls"
    REDIRECTS = "redirects"
    BLOCKED_ADDRESS = "blocked_address"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    BAD_ENCODING = "bad_encoding"
    NOT_IMAGE = "not_image"
    HASH_MISMATCH = "hash_mismatch"
    OPTED_OUT = "opted_out"

    MISSING_FILE = "missing_file"
    DECODE = "decode"
    TOO_MANY_PIXELS = "too_many_pixels"
    ENCODE = "encode"
    CRASH = "crash"
    TOO_SMALL = "too_small"
    TOO_BIG = "too_big"
    ASPECT = "aspect"

    BAD_KEY = "bad_key"
    DUPLICATE = "duplicate"

    MISMATCH = "mismatch"
    UNLISTED = "unlisted"

    @property
    def status(self) -> Status:
        """`skipped` for what a rule of the user or an opt-out left out, else `failed`."""
        return Status.SKIPPED if self in _SKIPPED else Status.FAILED


KINDS: Final = frozenset(kind.value for kind in Kind)
"""The names of all kinds: a record may come with any other, from another program."""

_SKIPPED: Final = frozenset({Kind.OPTED_OUT, Kind.TOO_SMALL, Kind.TOO_BIG, Kind.ASPECT, Kind.DUPLICATE})

_ANY: Final = frozenset({Kind.BAD_LINE, Kind.BAD_URL, Kind.BAD_SCHEME, Kind.INTERNAL})

STAGE_KINDS: Final[dict[str, frozenset[Kind]]] = {
    "read": _ANY,
    "fetch": _ANY
    | {
        Kind.DNS,
        Kind.CONNECT,
        Kind.TIMEOUT,
        Kind.PROTOCOL,
        Kind.INCOMPLETE,
        Kind.THROTTLED,
        Kind.HTTP_STATUS,
        Kind.TLS,
        Kind.REDIRECTS,
        Kind.BLOCKED_ADDRESS,
        Kind.TOO_LARGE,
        Kind.EMPTY,
        Kind.BAD_ENCODING,
        Kind.NOT_IMAGE,
        Kind.HASH_MISMATCH,
        Kind.OPTED_OUT,
    },
    "resize": _ANY
    | {
        Kind.MISSING_FILE,
        Kind.NOT_IMAGE,
        Kind.DECODE,
        Kind.TOO_MANY_PIXELS,
        Kind.ENCODE,
        Kind.TIMEOUT,
        Kind.CRASH,
        Kind.TOO_SMALL,
        Kind.TOO_BIG,
        Kind.ASPECT,
    },
    "shard": _ANY | {Kind.MISSING_FILE, Kind.NOT_IMAGE, Kind.BAD_KEY, Kind.DUPLICATE},
    "verify": _ANY
    | {
        Kind.NOT_IMAGE,
        Kind.HASH_MISMATCH,
        Kind.MISSING_FILE,
        Kind.DECODE,
        Kind.TOO_MANY_PIXELS,
        Kind.MISMATCH,
        Kind.UNLISTED,
    },
}
"""The kinds that each stage may set."""

RETRYABLE_STATUSES: Final = frozenset({408, 425, 429, *range(500, 600)})
"""HTTP statuses after which the same request may succeed later: RFC 9110 §15.5.9 (408), RFC 8470
(425), RFC 6585 (429), and the server's own troubles."""

_RETRYABLE: Final = frozenset(
    {Kind.DNS, Kind.CONNECT, Kind.TIMEOUT, Kind.PROTOCOL, Kind.INCOMPLETE, Kind.THROTTLED}
)


def retryable(kind: Kind, stage: str, http_status: int | None = None) -> bool:
    """Whether a later attempt at a record may succeed where `stage` failed it with `kind`.

    Only fetching meets passing troubles; what a stage that reads files reports stays as it is.
    """
    if stage != "fetch":
        return False
    if kind is Kind.HTTP_STATUS:
        return http_status in RETRYABLE_STATUSES
    return kind in _RETRYABLE


class Exit(enum.IntEnum):
    """Exit codes. A signal ends the process by itself (130, 143, 141); 255 is never used, since
    `xargs` stops the whole run at it."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    RECORDS_FAILED = 3
    OUTPUT = 4


class ImgpipeError(Exception):
    """The root of what imgpipe raises on purpose."""


class RecordError(ImgpipeError):
    """One record failed or was skipped.

    Args:
        kind: Why.
        detail: For people; made safe and short when it is put into the record.
        http_status: The status of the answer, where there was one.
        retry_after: How long the server asks to wait, in seconds from now; None where it did not say.
    """

    def __init__(
        self, kind: Kind, detail: str, *, http_status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail
        self.http_status = http_status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


class ProcessError(ImgpipeError):
    """The process cannot go on: one line on stderr, then `exit_code`."""

    exit_code = Exit.INTERNAL


class UsageError(ProcessError):
    """The options or the input are unusable, and the user can mend it."""

    exit_code = Exit.USAGE


class IncompleteError(ProcessError):
    """The input ended before all of it had come: a stage before was stopped. Running it again goes on."""


class OutputError(ProcessError):
    """The output cannot be written: a full disk, a folder without permission, a closed stream."""

    exit_code = Exit.OUTPUT


_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_PLAIN: Final = re.compile(r"[\x20-\x7e]*")

DETAIL_LENGTH: Final = 500
"""Characters of a detail that are kept: enough for a URL and a sentence."""


def safe(text: str, limit: int | None = None, *, keep: str = "") -> str:
    """`text` on one line, with every character that could steer a terminal escaped, but those in `keep`.

    Control characters (C0, DEL, C1), format characters such as bidirectional overrides, lone
    surrogates and private-use characters become backslash escapes. At most `limit` characters.
    """
    start = text if limit is None else text[: limit + 1]
    if not _PLAIN.fullmatch(start):
        start = "".join(
            _escape(c) if unicodedata.category(c) in _UNSAFE_CATEGORIES and c not in keep else c
            for c in start
        )
    if limit is not None and len(start) > limit:
        start = start[: limit - 1] + "…"
    return start


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
