"""One attempt at one record: the same coroutine in every mode."""

from __future__ import annotations

from typing import Any, Final

import trio

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import answers, urls
from imgpipe.fetch.encoding import decoder_for
from imgpipe.fetch.options import FetchOptions, Hash
from imgpipe.fetch.robots import Robots, Rules
from imgpipe.fetch.store import Sink, Store
from imgpipe.fetch.transport import Opened, Opener
from imgpipe.fetch.urls import Target
from imgpipe.records import Record

SPEED_GRACE: Final = 10.0
"""Seconds after which a body must keep the least speed (curl's --speed-time is 30)."""

ACCEPT: Final = "image/*,*/*;q=0.5"
"""Images, or what the server has: some know no type for what they serve."""

_SECRET: Final = frozenset({"authorization", "cookie", "host", "proxy-authorization"})
_DIGESTS_BY_LENGTH: Final = {32: "md5", 64: "sha256", 128: "sha512"}


class Attempt:
    """Fetches the files of records, one call an attempt.

    Args:
        options: What the user set.
        transport: Sends requests.
        store: Where files go.
        rules: What is known of robots.txt files; None does not ask for them.
    """

    def __init__(
        self, options: FetchOptions, transport: Opener, store: Store, rules: Rules | None = None
    ) -> None:
        self._options = options
        self._transport = transport
        self._store = store
        self._headers = _headers(options, others=False)
        self._headers_for_others = _headers(options, others=True)
        self._robots = Robots(rules, transport, self._headers_for_others) if rules is not None else None

    async def __call__(self, target: Target, record: Record) -> dict[str, Any]:
        """Fetch `target`; the fields that tell of the file, in the order of the record.

        Raises:
            RecordError: It failed or was skipped; no file is left.
            OutputError: The file cannot be written.
        """
        last = trio.current_time() + self._options.timeout
        with trio.CancelScope(deadline=last) as scope:
            return await self._follow(target, record, scope)
        if scope.deadline < last:
            raise RecordError(
                Kind.TIMEOUT, f"slower than {self._options.min_speed} bytes a second (--min-speed)"
            )
        raise RecordError(Kind.TIMEOUT, f"not done within {self._options.timeout:g} s (--timeout)")

    async def _follow(self, start: Target, record: Record, scope: trio.CancelScope) -> dict[str, Any]:
        target = start
        for _ in range(self._options.max_redirects + 1):
            if self._robots is not None:
                await self._robots.check(target)
            opened = await self._transport.open(target, self._request(target, start))
            try:
                location = answers.location(opened.status, opened.headers)
                if location is None:
                    fields = await self._take(opened, record, scope)
                    return fields if target is start else {**fields, "final_url": target.url}
                following = urls.follow(target, location)
            except RecordError as error:
                error.http_status = error.http_status or opened.status
                raise
            finally:
                await opened.body.aclose()
            target = following
        why = f"over {self._options.max_redirects} redirects (--max-redirects), the last to {target.url}"
        raise RecordError(Kind.REDIRECTS, why, http_status=opened.status)

    def _request(self, target: Target, start: Target) -> list[tuple[bytes, bytes]]:
        headers = self._headers if target.origin == start.origin else self._headers_for_others
        host = [] if headers[0][0].lower() == b"host" else [(b"Host", target.authority.encode("ascii"))]
        secret = [(b"Authorization", target.authorization.encode("ascii"))] if target.authorization else []
        return [*host, *headers, *secret]

    async def _take(self, opened: Opened, record: Record, scope: trio.CancelScope) -> dict[str, Any]:
        options = self._options
        heed = not options.ignore_opt_out
        answers.check(opened.status, opened.headers, options.max_bytes, heed_opt_outs=heed)
        decoder = decoder_for(answers.header(opened.headers, b"content-encoding"))
        expected = expected_digest(record, options.verify)
        digests = frozenset(filter(None, (_name(options.hash), expected and expected[0])))
        with Sink(self._store, options.max_bytes, digests) as sink:
            last, started, received = scope.deadline, trio.current_time(), 0
            # Slowness ends what the timeout does not end before: the one deadline is drawn nearer.
            watched = options.min_speed > 0 and started + SPEED_GRACE < last
            if watched:
                scope.deadline = started + SPEED_GRACE
            async for piece in opened.body:
                received += len(piece)
                if received > options.max_bytes:
                    raise RecordError(Kind.TOO_LARGE, f"over {options.max_bytes} bytes (--max-bytes)")
                for decoded in decoder.decode(piece):
                    sink.write(decoded)
                if watched and received > options.min_speed * SPEED_GRACE:
                    nearer = started + received / options.min_speed
                    scope.deadline = min(last, nearer)
                    # Setting it costs as much as a small piece; from here on nothing can be drawn nearer.
                    watched = nearer < last
            decoder.end()
            if expected is not None and sink.digest(expected[0]) != expected[1]:
                raise RecordError(
                    Kind.HASH_MISMATCH, f"{expected[0]} {sink.digest(expected[0])}, not {expected[1]}"
                )
            path = sink.finish(record)
        fields = {
            "path": path,
            "spooled": self._store.spooled,
            "bytes": sink.size,
            "media_type": sink.media_type,
        }
        if options.hash is not Hash.NONE:
            fields[options.hash.value] = sink.digest(options.hash.value)
        fields["http_status"] = opened.status
        return fields


def _headers(options: FetchOptions, *, others: bool) -> list[tuple[bytes, bytes]]:
    """The headers of each request; a Host that the user set comes first.

    Args:
        options: What the user set.
        others: For origins that a redirect led to: what the user gave to the first is not for them.
    """
    given = [(name, value) for name, value in options.headers if not (others and name.lower() in _SECRET)]
    names = {name.lower() for name, _ in given}
    own = {"User-Agent": options.user_agent, "Accept": ACCEPT, "Accept-Encoding": "identity"}
    headers = [(name, value) for name, value in own.items() if name.lower() not in names] + given
    headers.sort(key=lambda header: header[0].lower() != "host")
    return [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers]


def _name(digest: Hash) -> str | None:
    return None if digest is Hash.NONE else digest.value


def expected_digest(record: Record, field: str | None) -> tuple[str, str] | None:
    """The digest that the record's `field` asks for: its name, known by its length, and its digits.

    None where nothing is to be verified.

    Raises:
        RecordError: `hash_mismatch` where the field holds no digest: what cannot be verified is not.
    """
    if field is None:
        return None
    value = record.get(field)
    text = value.strip().lower() if isinstance(value, str) else ""
    name = _DIGESTS_BY_LENGTH.get(len(text))
    if name is None or not set(text) <= set("0123456789abcdef"):
        raise RecordError(
            Kind.HASH_MISMATCH, f"the field {field} holds no md5, sha256 or sha512 digest (--verify)"
        )
    return name, text
