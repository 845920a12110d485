"""One attempt, over a transport that answers as the test says, on a clock that jumps."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path

import pytest
import trio
import trio.testing
from helpers import picture

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import urls
from imgpipe.fetch.attempt import Attempt, expected_digest
from imgpipe.fetch.options import FetchOptions
from imgpipe.fetch.store import Store
from imgpipe.fetch.transport import Opened
from imgpipe.spool import Spool

JPEG = picture()
TARGET = urls.parse("http://a.example/x")


@dataclass
class Body:
    """Pieces, with seconds before each."""

    pieces: object = (JPEG,)
    pause: float = 0.0
    closed: bool = False

    def __aiter__(self):
        self.left = iter(self.pieces)
        return self

    async def __anext__(self):
        for piece in self.left:
            await trio.sleep(self.pause)
            return piece
        raise StopAsyncIteration

    async def aclose(self):
        self.closed = True


@dataclass
class Transport:
    """Gives these answers in turn, the last one for ever."""

    answers: list
    asked: list = field(default_factory=list)

    async def open(self, target, headers):
        self.asked.append((target.url, {name.decode(): value.decode() for name, value in headers}))
        found = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(found, float):
            await trio.sleep(found)
        return found


def opened(status=200, *headers, body=None):
    return Opened(status, headers, body if body is not None else Body())


def attempt(spool, answers, *, record=None, **options):
    """The fields or the error, the transport, and how long it took."""
    transport = Transport(answers)
    run = Spool(spool)
    subject = Attempt(FetchOptions(**options), transport, Store(run, None))

    async def main():
        began = trio.current_time()
        try:
            found = await subject(TARGET, record or {"url": "u"})
        except RecordError as error:
            found = error
        return found, trio.current_time() - began

    found, took = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert all(one.body.closed for one in answers if isinstance(one, Opened) and len(transport.asked))
    left = list(Path(run.folder).iterdir())
    assert len(left) == (0 if isinstance(found, RecordError) else 1)
    run.close()
    return found, transport, took


def test_the_deadline_holds_for_all_of_it(spool):
    """Redirects and body share it."""
    slow = opened(302, (b"location", b"/next"), body=Body())
    found, transport, took = attempt(spool, [slow, opened(body=Body(repeat(b"x" * 9), 0.4))], timeout=7)

    assert Kind.NOT_IMAGE is found.kind or Kind.TIMEOUT is found.kind
    found, _, took = attempt(spool, [opened(body=Body(chain([JPEG[:100]], repeat(b"x")), 3.0))], timeout=7)
    assert (found.kind, took) == (Kind.TIMEOUT, 7.0)
    found, _, took = attempt(spool, [1e9], timeout=7)
    assert (found.kind, took) == (Kind.TIMEOUT, 7.0)
    assert len(transport.asked) == 2


def test_a_body_must_keep_the_least_speed(spool):
    """On average, after ten seconds; a fast start gives credit."""
    trickle = chain([JPEG[:100]], repeat(b"x" * 1000))
    found, _, took = attempt(spool, [opened(body=Body(trickle, 2.0))], timeout=1000, min_speed=1024)
    assert Kind.TIMEOUT is found.kind
    assert "slower than 1024" in found.detail
    assert took == 10.0

    found, _, took = attempt(
        spool, [opened(body=Body(chain([JPEG + bytes(50_000)], repeat(b"x")), 2.0))], timeout=1000
    )
    assert Kind.TIMEOUT is found.kind
    assert 49 < took < 55

    enough = [JPEG, *[b"x" * 4000] * 30]
    found, _, took = attempt(spool, [opened(body=Body(enough, 2.0))], timeout=1000)
    assert took == 62.0
    assert len(JPEG) + 120_000 == found["bytes"]

    found, _, took = attempt(spool, [opened(body=Body([JPEG, *[b"x"] * 30], 2.0))], timeout=1000, min_speed=0)
    assert len(JPEG) + 30 == found["bytes"]


@pytest.mark.parametrize("hops", [0, 1, 5])
def test_redirects_are_counted(spool, hops):
    """As many as allowed; where it ended is told only where it is elsewhere."""
    answers = [opened(302, (b"location", b"/%d" % n)) for n in range(hops)]

    found, _, _ = attempt(spool, [*answers, opened()], max_redirects=hops)
    assert found.get("final_url") == (f"http://a.example/{hops - 1}" if hops else None)

    found, transport, _ = attempt(spool, [*answers, opened(302, (b"location", b"/x"))], max_redirects=hops)
    assert (found.kind, found.http_status) == (Kind.REDIRECTS, 302)
    assert hops + 1 == len(transport.asked)


def test_what_is_sent_where(spool):
    """The user's headers to everybody, what is secret only to the first origin; a Host that was set wins."""
    headers = (("Host", "virtual.example"), ("Cookie", "a=b"), ("X-Mine", "1"), ("accept", "x/y"))
    answers = [
        opened(302, (b"location", b"http://b.example/")),
        opened(302, (b"location", b"http://a.example/")),
        opened(),
    ]

    _, transport, _ = attempt(spool, answers, headers=headers, user_agent="me")

    first, second, third = (sent for _, sent in transport.asked)
    common = {"User-Agent": "me", "Accept-Encoding": "identity", "X-Mine": "1", "accept": "x/y"}
    assert {**common, "Host": "virtual.example", "Cookie": "a=b"} == first == third
    assert {**common, "Host": "b.example"} == second
    assert "Host" == next(iter(first)) == next(iter(second))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0" * 32, ("md5", "0" * 32)),
        (" " + "A" * 64 + "\n", ("sha256", "a" * 64)),
        ("f" * 128, ("sha512", "f" * 128)),
    ],
)
def test_a_digest_is_known_by_its_length(value, expected):
    """In any case, with blanks around."""
    assert expected == expected_digest({"sum": value}, "sum")
    assert None is expected_digest({"sum": value}, None)


@pytest.mark.parametrize("value", [None, 5, "", "g" * 64, "0" * 40, ["0" * 64]])
def test_what_is_no_digest_cannot_be_verified(value):
    """And what cannot be verified is not taken."""
    with pytest.raises(RecordError) as caught:
        expected_digest({"sum": value}, "sum")
    assert Kind.HASH_MISMATCH is caught.value.kind


def test_a_bug_is_no_record_error(spool):
    """An attempt does not hide what it did not expect; the modes make a record of it."""

    class Broken:
        async def open(self, target, headers):
            raise ZeroDivisionError

    async def main():
        await Attempt(FetchOptions(), Broken(), Store(Spool(spool), None))(TARGET, {"url": "u"})

    with pytest.raises(ZeroDivisionError):
        trio.run(main)
