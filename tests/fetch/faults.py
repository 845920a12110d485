"""The faults of the hostile server, each with what `fetch` must make of it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from fetch.hostile import JPEG, Handler, Peer, answer, chunked, good

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Fault:
    """What the server does, and what must come of it.

    Args:
        kind: The expected kind; None for a record that is ok.
        act: The bytes, or what to do.
        status: The expected `http_status`; None where no head can have been understood.
    """

    kind: str | None
    act: bytes | Handler
    status: int | None = None


FAULTS: dict[str, Fault] = {}


def static(name: str, kind: str | None, data: bytes, status: int | None = None) -> None:
    FAULTS[name] = Fault(kind, data, status)


def acting(kind: str | None, status: int | None = None) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        FAULTS[handler.__name__.replace("_", "-")] = Fault(kind, handler, status)
        return handler

    return register


def squeezed(data: bytes, bits: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    return packer.compress(data) + packer.flush()


BOMB = gzip.compress(JPEG + bytes(64 * MEGABYTE), 9)


# Bodies and their lengths.

static("good", None, answer(), 200)
static("until-close", None, answer(length=None), 200)
static("http-1.0", None, answer(length=None, version="1.0"), 200)
static("chunked", None, answer("200 OK", "Transfer-Encoding: chunked", body=chunked(JPEG[:99], JPEG[99:]), length=None), 200)  # fmt: skip
static("no-reason", None, answer("200"), 200)
static("excess-after-body", None, answer() + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra", 200)
static("garbage-after-body", None, answer() + b"\x00\xff garbage", 200)
static("length-too-short", None, answer(length=len(JPEG) - 100), 200)
static("length-too-long", "incomplete", answer(length=len(JPEG) + 500), 200)
static("length-negative", "protocol", answer(length="-5"))
static("length-words", "protocol", answer(length="many"))
static("length-beyond-64-bits", "protocol", answer(length="9" * 30))
static("length-twice", "protocol", answer("200 OK", f"Content-Length: {len(JPEG) - 9}"))
static("length-zero", "empty", answer(length=0, body=b""), 200)
static("length-and-chunked", "protocol", answer("200 OK", "Transfer-Encoding: chunked", body=chunked(JPEG)))
static("declared-huge", "too_large", answer(length=10 << 30), 200)
static("empty", "empty", answer(body=b"", length=None), 200)
static("tiny", "not_image", answer(body=b"\xff"), 200)
static("chunk-size-words", "protocol", answer("200 OK", "Transfer-Encoding: chunked", body=b"zz\r\n", length=None), 200)  # fmt: skip
static("chunk-size-beyond-64-bits", "protocol", answer("200 OK", "Transfer-Encoding: chunked", body=b"f" * 20 + b"\r\n", length=None), 200)  # fmt: skip
static("chunk-without-end", "protocol", answer("200 OK", "Transfer-Encoding: chunked", body=b"5\r\n" + JPEG, length=None), 200)  # fmt: skip
static("chunks-cut", "incomplete", answer("200 OK", "Transfer-Encoding: chunked", body=chunked(JPEG[:99], end=b"ff\r\n"), length=None), 200)  # fmt: skip
static("chunks-without-last", "incomplete", answer("200 OK", "Transfer-Encoding: chunked", body=chunked(JPEG, end=b""), length=None), 200)  # fmt: skip


@acting("too_large", 200)
def endless_body(peer: Peer) -> None:
    peer.send(answer(body=JPEG, length=None))
    peer.flood(bytes(65_536))


@acting("too_large", 200)
def endless_chunks(peer: Peer) -> None:
    peer.send(answer("200 OK", "Transfer-Encoding: chunked", body=chunked(JPEG, end=b""), length=None))
    peer.flood(chunked(bytes(16_384), end=b"") * 4)


@acting("protocol", 200)
def endless_chunk_extension(peer: Peer) -> None:
    peer.send(answer("200 OK", "Transfer-Encoding: chunked", body=b"5;", length=None))
    peer.flood(b"x" * 65_536)


@acting("protocol", 200)
def endless_trailers(peer: Peer) -> None:
    peer.send(answer("200 OK", "Transfer-Encoding: chunked", body=chunked(JPEG, end=b"0\r\n"), length=None))
    peer.flood(b"X-Trailer: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 1000)


# Time.


@acting("timeout")
def never_answers(peer: Peer) -> None:
    peer.stall()


@acting("timeout")
def slow_head(peer: Peer) -> None:
    peer.trickle(answer())


@acting("timeout")
def slow_body(peer: Peer) -> None:
    peer.send(answer(body=b"", length=len(JPEG)))
    peer.trickle(JPEG)


@acting("timeout")
def body_stops(peer: Peer) -> None:
    peer.send(answer(body=JPEG[:100], length=len(JPEG)))
    peer.stall()


# Encodings that nobody asked for.

static("gzip-good", None, answer("200 OK", "Content-Encoding: gzip", body=gzip.compress(JPEG)), 200)
static("gzip-x", None, answer("200 OK", "Content-Encoding: X-GZIP", body=gzip.compress(JPEG)), 200)
static("gzip-twice", None, answer("200 OK", "Content-Encoding: gzip, gzip", body=gzip.compress(gzip.compress(JPEG))), 200)  # fmt: skip
static("identity-named", None, answer("200 OK", "Content-Encoding: identity"), 200)
static("deflate-zlib", None, answer("200 OK", "Content-Encoding: deflate", body=squeezed(JPEG, 15)), 200)
static("deflate-raw", None, answer("200 OK", "Content-Encoding: deflate", body=squeezed(JPEG, -15)), 200)
static("gzip-bomb", "too_large", answer("200 OK", "Content-Encoding: gzip", body=BOMB), 200)
static("gzip-bomb-twice", "too_large", answer("200 OK", "Content-Encoding: gzip, gzip", body=gzip.compress(BOMB)), 200)  # fmt: skip
static("deflate-bomb", "too_large", answer("200 OK", "Content-Encoding: deflate", body=zlib.compress(JPEG + bytes(64 * MEGABYTE), 9)), 200)  # fmt: skip
static("gzip-six", "bad_encoding", answer("200 OK", "Content-Encoding: " + ", ".join(["gzip"] * 6)), 200)
static("gzip-six-lines", "bad_encoding", answer("200 OK", *["Content-Encoding: gzip"] * 6), 200)
static("gzip-plain-jpeg", "bad_encoding", answer("200 OK", "Content-Encoding: gzip"), 200)
static("gzip-truncated", "incomplete", answer("200 OK", "Content-Encoding: gzip", body=gzip.compress(JPEG)[:-200]), 200)  # fmt: skip
static("gzip-of-nothing", "empty", answer("200 OK", "Content-Encoding: gzip", body=gzip.compress(b"")), 200)
static("brotli", "bad_encoding", answer("200 OK", "Content-Encoding: br"), 200)
static("zstd", "bad_encoding", answer("200 OK", "Content-Encoding: zstd"), 200)

# Heads.

static("early-hints", None, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(), 200)
static(
    "switching", "protocol", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
)
static("apache-upgrade", None, answer("200 OK", "Upgrade: h2,h2c", "Connection: Upgrade"), 200)
static("many-headers", "protocol", answer("200 OK", *[f"X-{n}: y" for n in range(300)]))
static("header-without-colon", "protocol", answer("200 OK", "no colon here"))
static("header-with-null", "protocol", answer("200 OK", "X-A: a\x00b"))
static("header-with-escapes", None, answer("200 OK", "X-A: \x9b2J"), 200)
static("status-words", "protocol", answer("OK 200"))
static("status-99", "protocol", answer("99 Low"))
static("status-999", "http_status", answer("999 Request denied"), 999)
static("version-9", "protocol", answer(version="9.9"))
static("http-0.9", "protocol", JPEG)
static("ssh-banner", "protocol", b"SSH-2.0-OpenSSH_9.2\r\n")
static("http-2", "protocol", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18))
static("garbage", "protocol", bytes(range(256)) * 8)
static("closes-at-once", "incomplete", b"")
static("closes-in-head", "incomplete", b"HTTP/1.1 200 OK\r\nContent-Ty")


@acting("protocol")
def huge_head(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\n")
    peer.flood(b"X-Header: " + b"a" * 4000 + b"\r\n", 20 * MEGABYTE)
    peer.send(answer()[17:])


@acting("protocol")
def endless_header(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nX-Header: ")
    peer.flood(b"a" * 65_536)


@acting("protocol")
def interim_storm(peer: Peer) -> None:
    peer.flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


@acting(None, 200)
def continue_first(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    peer.send(answer())


@acting("incomplete")
def reset_in_head(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200")
    peer.reset()


@acting("incomplete", 200)
def reset_in_body(peer: Peer) -> None:
    peer.send(answer(body=JPEG[:300], length=len(JPEG)))
    peer.server.closing.wait(0.1)  # else the reset overtakes what was sent
    peer.reset()


# Statuses and what an answer is.

static("204", "empty", answer("204 No Content", body=b"", length=None), 204)
static("205", "empty", answer("205 Reset Content", body=b""), 205)
static("206-part", "incomplete", answer("206 Partial Content", f"Content-Range: bytes 0-99/{len(JPEG)}", body=JPEG[:100]), 206)  # fmt: skip
static("206-whole", None, answer("206 Partial Content", f"Content-Range: bytes 0-{len(JPEG) - 1}/{len(JPEG)}"), 206)  # fmt: skip
static("206-unsaid", "incomplete", answer("206 Partial Content"), 206)
static("200-part", "incomplete", answer("200 OK", "Content-Range: bytes 5-9/100"), 200)
static("300", "http_status", answer("300 Multiple Choices"), 300)
static("304", "http_status", answer("304 Not Modified", body=b"", length=None), 304)
static("403", "http_status", answer("403 Forbidden\x1b[2J"), 403)
static("500", "http_status", answer("500 Oops"), 500)
static(
    "html", "not_image", answer("200 OK", "Content-Type: image/jpeg", body=b"<!DOCTYPE html><html>" * 9), 200
)
static("json", "not_image", answer("200 OK", "Content-Type: image/jpeg", body=b'{"error": "gone"}'), 200)
static("svg", "not_image", answer("200 OK", "Content-Type: image/svg+xml", body=b"<svg xmlns='http://www.w3.org/2000/svg'/>"), 200)  # fmt: skip
static("mislabelled", None, answer("200 OK", "Content-Type: text/html"), 200)


@acting("http_status", 404)
def not_found_slowly(peer: Peer) -> None:
    peer.send(answer("404 Not Found", body=b"", length=100))
    peer.stall()


@acting("http_status", 404)
def not_found_endlessly(peer: Peer) -> None:
    peer.send(answer("404 Not Found", body=b"", length=None))
    peer.flood(b"x" * 65_536)


def retry_date(days: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(days=days), usegmt=True)


static("429-seconds", "http_status", answer("429 Slow", "Retry-After: 1", body=b""), 429)
static("429-date", "throttled", answer("429 Slow", f"Retry-After: {retry_date(1)}", body=b""), 429)
static("429-past", "http_status", answer("429 Slow", f"Retry-After: {retry_date(-9)}", body=b""), 429)
static("429-negative", "http_status", answer("429 Slow", "Retry-After: -1", body=b""), 429)
static("429-words", "http_status", answer("429 Slow", "Retry-After: abc", body=b""), 429)
static("429-day", "throttled", answer("429 Slow", "Retry-After: 86400", body=b""), 429)
static("429-ages", "throttled", answer("429 Slow", "Retry-After: " + "9" * 400, body=b""), 429)
static("503-day", "throttled", answer("503 Busy", "Retry-After: 86400", body=b""), 503)
static("500-day", "http_status", answer("500 Oops", "Retry-After: 86400", body=b""), 500)

# Opt-outs: decided by the head, before the body.

for number, header in enumerate(
    (
        "X-Robots-Tag: noai",
        "X-Robots-Tag: max-snippet:20, NoImageAI",
        "X-Robots-Tag: imgpipe: none",
        "X-Robots-Tag: unavailable_after: 25 Jun 2030 15:00:00 PST, noindex",
        "TDM-Reservation: 1",
        "Content-Usage: train-ai=n",
    )
):
    static(f"opt-out-{number}", "opted_out", answer("200 OK", header, length=1 << 19, body=b""), 200)
for number, header in enumerate(
    ("X-Robots-Tag: nofollow", "X-Robots-Tag: googlebot: noindex", "TDM-Reservation: 0")
):
    static(f"opt-in-{number}", None, answer("200 OK", header), 200)

# Redirects.


def redirect(location: str | None, status="302 Found", body=b"") -> bytes:
    return answer(status, *([f"Location: {location}"] if location is not None else []), body=body)


static("to-file", "bad_scheme", redirect("file:///etc/passwd"), 302)
static("to-data", "bad_scheme", redirect("data:image/png;base64,AAAA"), 302)
static("to-ftp", "bad_scheme", redirect("ftp://127.0.0.1/x"), 302)
static("to-javascript", "bad_scheme", redirect("javascript:alert(1)"), 302)
static("to-metadata", "blocked_address", redirect("http://169.254.169.254/latest/meta-data/"))
static("to-metadata-in-v6", "blocked_address", redirect("http://[::ffff:169.254.169.254]/"))
static("to-nowhere", "redirects", redirect(None), 302)
static("to-empty", "redirects", redirect(""), 302)
static("to-no-host", "http_status", redirect("http:///x"), 404)
static("to-no-url", "redirects", redirect("http://[::1"), 302)
static("to-no-port", "redirects", redirect("http://a:99999/"), 302)
static("to-itself", "redirects", redirect("/to-itself"), 302)
static("to-relative", None, redirect("good"), 200)
static("to-absolute-path", None, redirect("/good?a=b#c", "301 Moved"), 200)
static("to-query", None, redirect("/good?\u00e9 \x80", "308 Moved"), 200)
static("to-good-past-a-bomb", None, answer("302 Found", "Location: /good", "Content-Encoding: gzip", body=BOMB), 200)  # fmt: skip
static("hop-1", None, redirect("/hop-2"), 200)
for hop in range(2, 5):
    static(f"hop-{hop}", None, redirect(f"/hop-{hop + 1}"), 200)
static("hop-5", None, redirect("/good"), 200)
static("hop-0", "redirects", redirect("/hop-1"), 302)

HANDLERS: dict[str, bytes | Handler] = {name: fault.act for name, fault in FAULTS.items()}
HANDLERS["keeps"] = good
