"""robots.txt (RFC 9309): asked for once an origin, remembered with a bound, and obeyed."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import trio

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import answers, urls
from imgpipe.fetch.connections import Origin
from imgpipe.fetch.encoding import decoder_for
from imgpipe.fetch.optout import ROBOT
from imgpipe.fetch.transport import Opened, Opener
from imgpipe.fetch.urls import Target

if TYPE_CHECKING:
    from protego import Protego

TTL: Final = 24 * 3600.0
"""Seconds for which rules are believed (RFC 9309 §2.4)."""

LENGTH: Final = 512 << 10
"""Bytes that are read; what follows does not count (RFC 9309 §2.5 asks for 500 KiB at least)."""

REDIRECTS: Final = 5
"""Redirects that are followed; beyond, the file counts as absent (RFC 9309 §2.3.1.2)."""

REMEMBERED: Final = 10_000
"""Origins whose rules are remembered, the least recently used going first."""


class Rules:
    """The rules of origins. Shared by the threads of a process."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._rules: OrderedDict[Origin, tuple[float, Protego]] = OrderedDict()
        self._size = size
        self._mutex = threading.Lock()
        from protego import Protego  # noqa: PLC0415 - an extra, needed only where it is asked for

        self.parse = Protego.parse

    def get(self, origin: Origin, now: float) -> Protego | None:
        """The rules of an origin; None where they must be asked for."""
        with self._mutex:
            expires, rules = self._rules.get(origin, (now, None))
            if rules is None or expires <= now:
                return None
            self._rules.move_to_end(origin)
            return rules

    def put(self, origin: Origin, text: str, now: float) -> Protego:
        """Remember the rules that `text` gives."""
        rules = self.parse(text)
        with self._mutex:
            self._rules[origin] = now + TTL, rules
            self._rules.move_to_end(origin)
            while len(self._rules) > self._size:
                self._rules.popitem(last=False)
        return rules


class Robots:
    """Asks origins for their rules, on one event loop, once at a time for an origin.

    Args:
        rules: What is known.
        transport: Sends requests.
        headers: Headers of each request, without Host.
    """

    def __init__(self, rules: Rules, transport: Opener, headers: answers.Headers) -> None:
        self._rules = rules
        self._transport = transport
        self._headers = headers
        self._under_way: dict[Origin, trio.Event] = {}

    async def check(self, target: Target) -> None:
        """Refuse what the target's origin does not want robots to fetch.

        Raises:
            RecordError: `opted_out`; or why the rules cannot be had, since then nothing may be fetched.
        """
        rules = await self._of(target)
        if not rules.can_fetch(target.url, ROBOT):
            raise RecordError(Kind.OPTED_OUT, f"robots.txt of {target.authority}")

    async def _of(self, target: Target) -> Protego:
        # The machine's clock, not the loop's: loops share the rules, and each has a clock of its own.
        while (rules := self._rules.get(target.origin, time.monotonic())) is None:
            waiting = self._under_way.get(target.origin)
            if waiting is not None:
                await waiting.wait()
                continue
            event = self._under_way[target.origin] = trio.Event()
            try:
                text = await self._ask(target)
                return self._rules.put(target.origin, text, time.monotonic())
            finally:
                del self._under_way[target.origin]
                event.set()
        return rules

    async def _ask(self, asked: Target) -> str:
        target = urls.parse(f"{asked.scheme}://{asked.authority}/robots.txt")
        for _ in range(REDIRECTS + 1):
            opened = await self._transport.open(
                target, [(b"Host", target.authority.encode()), *self._headers]
            )
            try:
                location = answers.location(opened.status, opened.headers)
                if location is None:
                    return await _text(opened)
                target = urls.follow(target, location)
            except RecordError as error:
                if error.kind in (Kind.REDIRECTS, Kind.BAD_SCHEME):
                    break
                raise
            finally:
                await opened.body.aclose()
        return ""


async def _text(opened: Opened) -> str:
    """The rules' text: none where the server says there is none, and no answer where it cannot say."""
    if opened.status >= 500 or opened.status == 429:
        why = f"robots.txt: {answers.describe(opened.status)}"
        raise RecordError(Kind.HTTP_STATUS, why, http_status=opened.status)
    if not 200 <= opened.status < 300:
        return ""
    decoder = decoder_for(answers.header(opened.headers, b"content-encoding"))
    text = b""
    async for piece in opened.body:
        for decoded in decoder.decode(piece):
            text += decoded
            if len(text) > LENGTH:
                return text[:LENGTH].decode("utf-8", "replace")
    return text.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
