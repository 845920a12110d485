"""What a report tells, gathered row by row in memory that does not grow with their number."""

from __future__ import annotations

from collections import Counter
from typing import Final

from imgpipe.commonest import Commonest
from imgpipe.errors import KINDS, STAGE_KINDS, Status
from imgpipe.hosts import host_of
from imgpipe.media import EXTENSIONS
from imgpipe.records import Record
from imgpipe.report.bins import Histogram
from imgpipe.report.places import Found, Place
from imgpipe.report.sketches import Reservoir, Top

OTHER: Final = "other"
NO_HOST: Final = "(no host)"

_HOSTS: Final = 2000
"""Hosts held through: one with more than this part of all is never missed (see `Commonest`)."""
_HOSTS_OF_KIND: Final = 50
_ROWS_OF_KIND: Final = 40
"""Failed records kept of each kind: as examples, and to look through."""
_EXTREMES: Final = 10


class Cause:
    """The records that failed or were skipped with one kind.

    Attributes:
        count: How many.
        skipped: How many of them were skipped.
        retryable: How many of them may succeed later.
        stages: Where.
        statuses: HTTP statuses of the answers.
        hosts: Whose.
        rows: A sample.
    """

    def __init__(self) -> None:
        self.count = 0
        self.skipped = 0
        self.retryable = 0
        self.stages: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.hosts = Commonest(_HOSTS_OF_KIND)
        self.rows: Reservoir[Record] = Reservoir(_ROWS_OF_KIND)

    def add(self, row: Record, host: str) -> None:
        """Count a record."""
        self.count += 1
        self.skipped += row.get("status") == Status.SKIPPED
        self.retryable += row.get("retryable") is True
        stage = row.get("stage")
        self.stages[stage if isinstance(stage, str) and stage in STAGE_KINDS else OTHER] += 1
        status = row.get("http_status")
        if type(status) is int and 100 <= status < 1000:
            self.statuses[status] += 1
        self.hosts.add(host)
        self.rows.add(row)

    @property
    def stage(self) -> str:
        """The stage that most of them failed in."""
        return self.stages.most_common(1)[0][0] if self.stages else OTHER

    @property
    def status(self) -> int | None:
        """The HTTP status of more than half of them; None where there is none such."""
        most = self.statuses.most_common(1)
        return most[0][0] if most and most[0][1] * 2 > self.count else None


class Facts:
    """Everything that the page shows, but for the times and the pictures themselves.

    Args:
        thumbnails: Size of the sample of images.

    Attributes:
        placed: Images.
        bytes: Their bytes.
        causes: What failed or was skipped, by kind.
        hosts: Hosts of all records.
        failing: Hosts of the failed ones; what a rule skipped is no fault of theirs.
        sizes: Bytes of an image.
        sides: Pixels of the longer side of the source.
        seconds: Seconds from the first try to the last byte.
        attempts: Requests that it took.
        largest, slowest: The rows with the most bytes, and with the most seconds.
        pictures: A sample of images.
    """

    def __init__(self, thumbnails: int) -> None:
        self.placed = 0
        self.bytes = 0
        self.causes: dict[str, Cause] = {}
        self.hosts = Commonest(_HOSTS)
        self.failing = Commonest(_HOSTS)
        self.formats: Counter[str] = Counter()
        self.shapes: Counter[str] = Counter()
        self.attempts: Counter[int] = Counter()
        self.sizes = Histogram()
        self.sides = Histogram()
        self.seconds = Histogram()
        self.largest: Top[Record] = Top(_EXTREMES)
        self.slowest: Top[Record] = Top(_EXTREMES)
        self.pictures: Reservoir[tuple[Record, Place]] = Reservoir(thumbnails)

    @property
    def skipped(self) -> int:
        """Records that a rule left out."""
        return sum(cause.skipped for cause in self.causes.values())

    @property
    def failed(self) -> int:
        """Records that failed."""
        return sum(cause.count - cause.skipped for cause in self.causes.values())

    @property
    def total(self) -> int:
        """All records."""
        return self.placed + self.skipped + self.failed

    @property
    def sample(self) -> list[Found]:
        """The sampled images, those of one list together."""
        found = [Found(*kept) for kept in self.pictures.kept]
        return sorted(found, key=lambda one: (one.place.path, one.name))

    def add(self, row: Record, place: Place) -> None:
        """Count one row.

        Args:
            row: A placed or failed record.
            place: Where its image is.
        """
        get = row.get
        host = host_of(get("url")) or NO_HOST
        self.hosts.add(host)
        if get("status") in _OVER or "error" in row:
            self._blame(row, host)
            return
        self.placed += 1
        size, took = get("bytes"), get("seconds")
        if type(size) is int and 0 < size < _MOST:
            self.bytes += size
            self.sizes.add(size)
            self.largest.add(size, row)
        if type(took) is float and 0.0 < took < _MOST:
            self.seconds.add(took)
            self.slowest.add(took, row)
        width, height = get("original_width") or get("width"), get("original_height") or get("height")
        if type(width) is int and type(height) is int and 0 < width < _MOST and 0 < height < _MOST:
            self.sides.add(max(width, height))
            self.shapes["square" if width == height else "landscape" if width > height else "portrait"] += 1
        media_type = get("media_type")
        self.formats[media_type if isinstance(media_type, str) and media_type in EXTENSIONS else OTHER] += 1
        tries = get("attempts")
        if type(tries) is int and tries > 0:
            self.attempts[min(tries, 10)] += 1
        self.pictures.add((row, place))

    def _blame(self, row: Record, host: str) -> None:
        kind = row.get("error")
        kind = kind if isinstance(kind, str) and kind in KINDS else OTHER
        cause = self.causes.get(kind)
        if cause is None:
            cause = self.causes[kind] = Cause()
        cause.add(row, host)
        if row.get("status") != Status.SKIPPED:
            self.failing.add(host)


_OVER: Final = (Status.FAILED.value, Status.SKIPPED.value)
_MOST: Final = 1 << 53
"""A number beyond is no size of an image; a float holds all below."""
