"""What the user may set about fetching."""

from __future__ import annotations

import enum
import importlib.util
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

from imgpipe import __version__
from imgpipe.errors import UsageError
from imgpipe.layout import check_part
from imgpipe.machine import cores
from imgpipe.placed import Done

USER_AGENT: Final = f"imgpipe/{__version__} (+https://pypi.org/project/imgpipe/)"
"""Who asks: name, version and where to read about it, as RFC 9110 §10.1.5 recommends to robots."""

AUTO: Final = -1
"""The value of `per_host` that lets the limit adapt itself to the host."""


class Mode(enum.StrEnum):
    """How attempts are scheduled. The attempts themselves are the same in all modes."""

    ASYNC = "async"
    THREADS = "threads"
    PROCESSES = "processes"
    LOOP = "loop"

    @property
    def default_concurrency(self) -> int:
        """How many records are in flight where the user does not say."""
        return {Mode.ASYNC: 64, Mode.THREADS: 32, Mode.PROCESSES: cores(), Mode.LOOP: 1}[self]


class Hash(enum.StrEnum):
    """The digest of the bytes as downloaded. Digests come from hashlib."""

    SHA256 = "sha256"
    SHA512 = "sha512"
    MD5 = "md5"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOptions:
    """The options of `imgpipe fetch`."""

    mode: Mode = Mode.ASYNC
    """How attempts are scheduled."""
    concurrency: int = 0
    """Records in flight over the whole command; 0 becomes the mode's default."""
    workers: int = 1
    """Event loops, each in a process of its own; more than 1 only in mode async."""
    per_host: int = AUTO
    """Requests in flight to one host; 0 sets no limit, `AUTO` adapts."""
    delay: tuple[float, float] | None = None
    """Seconds from start to start of two requests to one host, drawn from this range; None waits not."""
    timeout: float = 30.0
    """Seconds for the whole of one attempt: name, connection, redirects and body."""
    connect_timeout: float = 5.0
    """Seconds for the name, the connection and the TLS handshake of one request."""
    min_speed: int = 1024
    """Bytes a second that a body must keep, on average, after its first 10 seconds; 0 sets no floor."""
    retries: int = 2
    """Further attempts after a failure that may pass; 0 makes one attempt only."""
    max_bytes: int = 20 << 20
    """Bytes of the largest file that is taken, as sent and as decoded."""
    max_redirects: int = 5
    """Redirects followed in one attempt; 0 follows none."""
    user_agent: str = USER_AGENT
    """The User-Agent header."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers sent with each request, in order."""
    proxy: str | None = None
    """URL of the proxy; None looks at the usual variables, as curl does."""
    insecure: bool = False
    """Whether certificates go unchecked."""
    allow_private: bool = False
    """Whether addresses that are not public may be connected to."""
    allow_nets: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that may be connected to although they are not public."""
    resolve: tuple[tuple[str, str], ...] = ()
    """Pairs of a host's name and the address to use for it."""
    ignore_opt_out: bool = False
    """Whether opt-outs in headers and robots.txt go unheeded."""
    robots: bool = False
    """Whether each host's robots.txt is asked for and obeyed."""
    hash: Hash = Hash.SHA256
    """The digest put into the record."""
    verify: str | None = None
    """The record's field that holds the digest to compare with."""
    dir: str | None = None
    """Absolute path of the user's folder for the files; None puts them into the spool."""
    spool: Path | None = None
    """The spool; None for the default one."""
    resume: tuple[Path, ...] = ()
    """Outputs of `shard` whose records are left out."""
    part: str | None = None
    """The one part of `resume` to read; None for everything there. In a complete part no failure is tried
    again."""
    retry_failed: bool = False
    """Whether `resume` takes records that failed for good again."""
    ordered: bool = False
    """Whether records keep the order of the input."""

    def __post_init__(self) -> None:
        if not self.concurrency:
            object.__setattr__(self, "concurrency", self.mode.default_concurrency)
        if self.workers > 1 and self.mode is not Mode.ASYNC:
            raise UsageError(f"--workers goes with --mode async; mode {self.mode} has -j for that")
        if self.robots and importlib.util.find_spec("protego") is None:
            raise UsageError("--robots needs the extra robots: pip install 'imgpipe[robots]'")
        if self.retry_failed and not self.resume:
            raise UsageError("--retry-failed goes with --resume OUT")
        if self.part is not None:
            check_part(self.part)
            if not self.resume:
                raise UsageError("--part goes with --resume OUT: it names the part of OUT to read")

    def done_before(self) -> Done | None:
        """What `resume` leaves out; None without it.

        Raises:
            UsageError: It cannot be read.
        """
        return Done(self.resume, part=self.part, retry_failed=self.retry_failed) if self.resume else None

    @property
    def look_ahead(self) -> int:
        """Records read ahead of those in flight, so that a slow host holds back no other.

        In mode loop none: it is the plain reference, one record after the other.
        """
        return 1 if self.mode is Mode.LOOP else max(1024, 16 * self.concurrency)
