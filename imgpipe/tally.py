"""Counts of a run, and the few lines that tell what they mean."""

from __future__ import annotations

from collections import Counter
from typing import Final

from imgpipe.errors import Kind, Status, safe
from imgpipe.records import Record

_HINTS: Final[dict[str, str]] = {
    Kind.BLOCKED_ADDRESS: "--allow-private or --allow-net lets fetch reach addresses that are not public",
    Kind.TIMEOUT: "--timeout gives a request more seconds; fewer at a time (-j) may help too",
    Kind.CONNECT: "the hosts refuse or are gone; --connect-timeout waits longer",
    Kind.DNS: "the names do not resolve; a local caching resolver helps when it is many",
    Kind.THROTTLED: "the hosts ask to wait; --per-host 1 or --delay is gentler",
    Kind.TLS: "--insecure fetches without checking certificates",
    Kind.REDIRECTS: "--max-redirects follows more",
    Kind.TOO_LARGE: "--max-bytes takes larger files",
    Kind.OPTED_OUT: "the sites opt out of data sets; --ignore-opt-out overrides them",
    Kind.HASH_MISMATCH: "the pictures have changed since their digests were made; fetch without --verify to take them",
    Kind.TOO_MANY_PIXELS: "--max-pixels takes larger pictures",
    Kind.TOO_SMALL: "--min-side and --skip-small set what is left out",
    Kind.TOO_BIG: "--max-side sets what is left out",
    Kind.ASPECT: "--max-aspect sets what is left out",
    Kind.BAD_LINE: "the input is one URL or one JSON object a line; imgpipe read turns tables into records",
    Kind.BAD_URL: "the input is one URL or one JSON object with a url a line; imgpipe read turns tables into records",
    Kind.MISSING_FILE: "records lead to files that are gone; --root finds those named by file_name",
}
"""What helps against a kind, for the summary."""

_KINDS_SHOWN: Final = 5
_EXAMPLE_LENGTH: Final = 160


class Tally:
    """What became of the records of one stage.

    Attributes:
        statuses: Records by status.
        kinds: Records by kind of error.
        left_out: Records that `--resume` found done.
        unfinished: Records read but not written when a signal or an error ended the run.
        bytes: Bytes of the files of the records that are ok.
        failed_file: Where the failed records are kept, once a stage has written them there.
    """

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.left_out = 0
        self.unfinished = 0
        self.bytes = 0
        self.failed_file: str | None = None

    def add(self, record: Record) -> None:
        """Count one record as it leaves the stage."""
        status = record.get("status")
        if status in (Status.FAILED, Status.SKIPPED):
            kind = str(record.get("error"))
            # A kind from an earlier stage is text from outside: the table stays as small as the list.
            kind = kind if kind in _KNOWN else "other"
            self.kinds[kind] += 1
            if kind not in self.examples:
                self.examples[kind] = safe(str(record.get("detail", "")), _EXAMPLE_LENGTH)
        else:
            status = Status.OK.value
            size = record.get("bytes")
            self.bytes += size if type(size) is int else 0
        self.statuses[str(status)] += 1

    @property
    def done(self) -> int:
        """Records that left the stage."""
        return self.statuses.total()

    @property
    def ok(self) -> int:
        """Records that left the stage as ok."""
        return self.statuses[Status.OK]

    @property
    def failed(self) -> int:
        """Records that left the stage as failed."""
        return self.statuses[Status.FAILED]

    @property
    def skipped(self) -> int:
        """Records that left the stage as skipped."""
        return self.statuses[Status.SKIPPED]

    def line(self, seconds: float) -> str:
        """The counts in one line, for progress and as the first line of the summary."""
        parts = [f"{self.ok} ok"]
        parts += [f"{self.skipped} skipped"] if self.skipped else []
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.left_out} done before"] if self.left_out else []
        parts += [f"{self.unfinished} unfinished"] if self.unfinished else []
        rate = self.done / seconds if seconds > 0 else 0.0
        return f"{', '.join(parts)} in {seconds:.1f} s ({rate:.0f}/s)"

    def summary(self, stage: str, seconds: float) -> list[str]:
        """Lines that say what happened, the commonest kinds of failure and what helps against each."""
        lines = [f"imgpipe {stage}: {self.line(seconds)}"]
        for kind, count in self.kinds.most_common(_KINDS_SHOWN):
            hint = _HINTS.get(kind)
            lines.append(f"  {count} {kind}: {self.examples[kind]}" + (f"\n    {hint}" if hint else ""))
        if len(self.kinds) > _KINDS_SHOWN:
            lines.append(f"  and {len(self.kinds) - _KINDS_SHOWN} other kinds")
        if self.failed_file and (self.failed or self.skipped):
            lines.append(f"  the failed and skipped records are in {safe(self.failed_file)}")
            lines.append("  to try the failed ones again: imgpipe fetch < that file")
        if self.done and self.failed * 2 > self.done:
            lines.append(f"imgpipe {stage}: WARNING: most records failed ({self.failed} of {self.done})")
        return lines


_KNOWN: Final = frozenset(kind.value for kind in Kind)
