"""What helps against each kind of failure: one line for people, with the option that they can change."""

from __future__ import annotations

from typing import Final

from imgpipe.errors import RETRYABLE_STATUSES, STAGE_KINDS, Kind

SUSPICIOUS_DNS: Final = 0.1
"""The share of names that do not resolve above which dead domains alone are an unlikely cause."""

FEW_DNS: Final = 10
"""Names that do not resolve of which no share tells anything."""

_TABLE_IN: Final = "imgpipe read turns tables into records"

_FETCH: Final[dict[str, str]] = {
    Kind.BAD_LINE: f"the input is one URL or one JSON object a line; {_TABLE_IN}",
    Kind.BAD_URL: f"the input is one URL or one JSON object with a url a line; {_TABLE_IN}",
    Kind.BAD_SCHEME: "only http and https are fetched; files that are here already go to imgpipe resize",
    Kind.CONNECT: "the hosts refuse, or are gone; where they are slow, --connect-timeout waits longer",
    Kind.TIMEOUT: "--timeout gives a request more seconds; fewer at a time (-j) may help too",
    Kind.PROTOCOL: "the answers are no HTTP; --retries tries more often",
    Kind.INCOMPLETE: "the connections end early; --retries tries more often, fewer at a time (-j) may help too",
    Kind.THROTTLED: "the hosts ask to wait; --per-host 1 or --delay is gentler",
    Kind.TLS: "--insecure fetches without checking certificates",
    Kind.REDIRECTS: "--max-redirects follows more; a circle is followed by none",
    Kind.BLOCKED_ADDRESS: "--allow-private or --allow-net lets fetch reach addresses that are not public",
    Kind.TOO_LARGE: "--max-bytes takes larger files",
    Kind.NOT_IMAGE: "the URLs lead to pages or unknown formats; those of the pictures themselves are wanted",
    Kind.HASH_MISMATCH: "the pictures have changed since their digests were made; without --verify they are taken",
    Kind.OPTED_OUT: "the sites opt out of data sets; --ignore-opt-out overrides them",
}

_RESIZE: Final[dict[str, str]] = {
    Kind.BAD_LINE: f"the input is one path or one record a line; {_TABLE_IN}",
    Kind.MISSING_FILE: "records lead to files that are gone; --root finds those named by file_name",
    Kind.NOT_IMAGE: "what is no picture stays out; --formats all reads every format that Pillow knows",
    Kind.DECODE: "the files are broken; --keep-truncated takes what can be decoded of those that end early",
    Kind.TOO_MANY_PIXELS: "--max-pixels takes larger pictures",
    Kind.ENCODE: "the format cannot hold them; --format png or a smaller --size may",
    Kind.TIMEOUT: "--timeout gives a picture more seconds",
    Kind.CRASH: "the decoder met its limits; --max-memory gives a picture more memory",
    Kind.TOO_SMALL: "--min-side and --skip-small set what is left out",
    Kind.TOO_BIG: "--max-side sets what is left out",
    Kind.ASPECT: "--max-aspect sets what is left out",
}

_SHARD: Final[dict[str, str]] = {
    Kind.BAD_LINE: "the input is one record or one path of an image a line",
    Kind.MISSING_FILE: "records lead to files that are gone: were they placed or cleaned before? fetch them again",
    Kind.NOT_IMAGE: "only images of the known formats are placed; imgpipe resize converts others",
    Kind.BAD_KEY: "--name-format key needs a key in each record (imgpipe read --key-col); index needs none",
    Kind.DUPLICATE: "--dedup leaves them out; without it they are placed",
}

_READ: Final[dict[str, str]] = {
    Kind.BAD_LINE: "rows that cannot be parsed; --format says what kind of table it is",
    Kind.BAD_URL: "rows without a URL; --url-col says which column holds it",
}

_VERIFY: Final[dict[str, str]] = {
    Kind.MISSING_FILE: "try their URLs again into the same folder: imgpipe fetch | imgpipe resize | imgpipe shard",
    Kind.UNLISTED: "files that no metadata names: they may be removed, or placed by imgpipe shard",
}

_BY_STAGE: Final = {"fetch": _FETCH, "resize": _RESIZE, "shard": _SHARD, "read": _READ, "verify": _VERIFY}

_ANYWHERE: Final[dict[str, str]] = {Kind.INTERNAL: "a bug in imgpipe: please report it, with the detail"}


def hint(
    kind: str, stage: str = "", *, count: int = 0, total: int = 0, http_status: int | None = None
) -> str | None:
    """What helps against a kind of failure, in one line of our own words; None where nothing is known.

    Args:
        kind: The kind of error.
        stage: The stage that failed the records; without it, the first one that may.
        count: How many records failed so: some are normal, many are not.
        total: How many records there are.
        http_status: The status that most of the answers had, for `http_status`.
    """
    if kind not in STAGE_KINDS.get(stage, ()):
        stage = next((name for name in _BY_STAGE if kind in STAGE_KINDS[name]), "")
    if kind == Kind.DNS:
        return _dns(count, total)
    if kind == Kind.HTTP_STATUS:
        return _status(http_status)
    return _ANYWHERE.get(kind) or _BY_STAGE.get(stage, {}).get(kind)


def _dns(count: int, total: int) -> str:
    if count <= max(FEW_DNS, SUSPICIOUS_DNS * total):
        return "dead domains are normal in old lists, up to a tenth of the records"
    return (
        f"{count / total:.0%} of the records, where a tenth is normal in old lists: the resolver may not keep up; "
        "a local caching one (unbound, dnsmasq) helps, or fewer at a time (-j); then try them again"
    )


def _status(status: int | None) -> str | None:
    if status is None:
        return None
    if status in (404, 410):
        return "the pictures are gone; that is normal in old lists"
    if status in (401, 403):
        return "the hosts refuse; --header sends what they ask for, --user-agent says who asks"
    if status == 429:
        return "the hosts ask for fewer requests; --per-host 1 or --delay is gentler"
    if status in RETRYABLE_STATUSES:
        return "the hosts are in trouble; a later try may succeed, --retries sets how many there are"
    return None
