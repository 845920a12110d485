"""Counts of a run, and the few lines that tell what they mean."""

from __future__ import annotations

from collections import Counter
from typing import Final

from imgpipe.commonest import Commonest
from imgpipe.errors import KINDS, STAGE_KINDS, Kind, Status, safe
from imgpipe.hints import hint
from imgpipe.hosts import host_of
from imgpipe.records import Record

_KINDS_SHOWN: Final = 5
_EXAMPLE_LENGTH: Final = 160
_HOSTS_SHOWN: Final = 3
_HOST_LENGTH: Final = 60

_OF_HOSTS: Final = frozenset(
    {Kind.CONNECT, Kind.TIMEOUT, Kind.INCOMPLETE, Kind.THROTTLED, Kind.HTTP_STATUS, Kind.TLS, Kind.OPTED_OUT}
)
"""The kinds that a host has a part in: told with the hosts, if few make most of them."""


class Cause:
    """The records that one stage failed or skipped with one kind.

    Attributes:
        count: How many.
        example: The detail of the first, safe to show.
        hosts: Their hosts, where a host has a part in it.
        http_statuses: The statuses of their answers, where they have one.
    """

    def __init__(self, example: str) -> None:
        self.count = 0
        self.example = example
        self.hosts = Commonest()
        self.http_statuses = Commonest()

    def add(self, record: Record, kind: str) -> None:
        """Count one."""
        self.count += 1
        if kind in _OF_HOSTS and (host := host_of(record.get("url"))) is not None:
            self.hosts.add(host)
        if kind == Kind.HTTP_STATUS and type(status := record.get("http_status")) is int:
            self.http_statuses.add(str(status))

    @property
    def http_status(self) -> int | None:
        """The status of more than half of the answers; None where there is none such."""
        most = self.http_statuses.few_make_most(1)
        return int(most[0][0]) if most else None


class Tally:
    """What became of the records of one stage.

    Attributes:
        statuses: Records by status.
        kinds: Records by kind of error.
        causes: What is known of the records of a stage (`""`: an unknown one) and a kind of error.
        passing: Failed records that a later attempt may bring.
        with_url: Whether a record that is over has a URL: files of the user are not fetched again.
        left_out: Records that `--resume` found done.
        unfinished: Records read but not written when a signal or an error ended the run.
        bytes: Bytes of the files of the records that are ok.
        failed_file: Where the failed records are kept, once a stage has written them there.
    """

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.causes: dict[tuple[str, str], Cause] = {}
        self.passing = 0
        self.with_url = False
        self.left_out = 0
        self.unfinished = 0
        self.bytes = 0
        self.failed_file: str | None = None

    def add(self, record: Record) -> None:
        """Count one record as it leaves the stage."""
        status = record.get("status")
        if status in (Status.FAILED, Status.SKIPPED):
            self._blame(record)
        else:
            status = Status.OK.value
            size = record.get("bytes")
            self.bytes += size if type(size) is int else 0
        self.statuses[str(status)] += 1

    def _blame(self, record: Record) -> None:
        # Kind and stage of an earlier stage are text from outside: the table stays as small as the lists.
        kind, stage = str(record.get("error")), str(record.get("stage"))
        kind = kind if kind in KINDS else "other"
        stage = stage if stage in STAGE_KINDS else ""
        self.kinds[kind] += 1
        self.passing += record.get("retryable") is True
        self.with_url |= bool(record.get("url"))
        cause = self.causes.get((stage, kind))
        if cause is None:
            cause = Cause(safe(str(record.get("detail", "")), _EXAMPLE_LENGTH))
            self.causes[stage, kind] = cause
        cause.add(record, kind)

    def void(self) -> None:
        """What was counted did not come about after all: it is unfinished."""
        vars(self).update(vars(Tally()), unfinished=self.unfinished + self.done)

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

    @property
    def share(self) -> float:
        """The share of ok records among those that no rule skipped, from 0 to 1; 1 where there are none."""
        tried = self.ok + self.failed
        return self.ok / tried if tried else 1.0

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
        commonest = sorted(self.causes.items(), key=lambda item: -item[1].count)
        for (where, kind), cause in commonest[:_KINDS_SHOWN]:
            lines += self._about(kind, where, cause, elsewhere=where not in ("", stage))
        if len(commonest) > _KINDS_SHOWN:
            rest = sum(cause.count for _, cause in commonest[_KINDS_SHOWN:])
            lines.append(f"  and {rest} of {len(commonest) - _KINDS_SHOWN} other kinds")
        if self.failed_file and (self.failed or self.skipped):
            lines.append(f"  the failed and skipped records are in {safe(self.failed_file)}")
            if self.failed and self.with_url:
                lines.append(f"  to try the failed ones again{self._of_which()}: imgpipe fetch < that file")
        if self.failed * 2 > self.done:
            lines.append(f"imgpipe {stage}: WARNING: most records failed ({self.failed} of {self.done})")
        return lines

    def _of_which(self) -> str:
        return f" ({self.passing} may succeed later)" if self.passing else ""

    def _about(self, kind: str, stage: str, cause: Cause, *, elsewhere: bool) -> list[str]:
        lines = [f"  {cause.count} {kind}{f' in {stage}' if elsewhere else ''}: {cause.example}"]
        if len(statuses := cause.http_statuses.top(_HOSTS_SHOWN)) > 1:
            lines.append("    statuses: " + _counted(statuses, cause.http_statuses.total))
        hosts = cause.hosts.top(_HOSTS_SHOWN)
        few = hosts and hosts[0][1] > 1 and cause.hosts.few_make_most(_HOSTS_SHOWN)
        if few or (hosts and kind == Kind.THROTTLED):
            lines.append("    hosts: " + _counted(hosts, cause.hosts.total))
        helps = hint(kind, stage, count=cause.count, total=self.done, http_status=cause.http_status)
        return [*lines, f"    {helps}"] if helps else lines


def _counted(pairs: list[tuple[str, int]], total: int) -> str:
    shown = [f"{safe(text, _HOST_LENGTH)} ({count})" for text, count in pairs]
    others = total - sum(count for _, count in pairs)
    return ", ".join([*shown, *([f"others ({others})"] if others else [])])
