"""URLs: what is asked of whom, from text that anybody may have written."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urljoin

from imgpipe.errors import Kind, RecordError
from imgpipe.hosts import DEFAULT_PORTS, split

_CONTROL: Final = re.compile(r"[\x00-\x20\x7f]")
# What may stand in a path and query as it is (RFC 3986 §3.3, §3.4), and the brackets and bars that
# servers take too; a percent sign counts as escaped already where two hex digits follow.
_TO_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%\[\]|]")


@dataclass(frozen=True, slots=True)
class Target:
    """One request's aim.

    Attributes:
        url: The URL in ASCII, without user, password and fragment.
        scheme: `http` or `https`.
        host: Name or address, lower case, in ASCII; an IPv6 address without brackets.
        port: 1 to 65535.
        path: Path and query, escaped.
        authority: The Host header: the port only where it is not the scheme's own.
        authorization: The Authorization header where the URL had a user; None elsewhere.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str
    authority: str
    authorization: str | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a connection may be shared for."""
        return self.scheme, self.host, self.port


def parse(url: object) -> Target:
    """The aim of a URL or IRI as people and crawlers write them.

    Raises:
        RecordError: `bad_url` where it has no host, or a wrong one; `bad_scheme` where it is not HTTP.
    """
    pieces = split(url)
    return _target(pieces.scheme, pieces.host, pieces.port, pieces.rest, pieces.user)


def _target(scheme: str, host: str, port: int, rest: str, user: str | None) -> Target:
    bracketed = f"[{host}]" if ":" in host else host
    authority = bracketed if port == DEFAULT_PORTS[scheme] else f"{bracketed}:{port}"
    path = _TO_ESCAPE.sub(_escape, rest.replace("\\", "/")) if rest else "/"
    if not path.startswith("/"):
        path = "/" + path
    authorization = None
    if user:
        authorization = "Basic " + base64.b64encode(unquote(user).encode("utf-8", "replace")).decode("ascii")
    return Target(f"{scheme}://{authority}{path}", scheme, host, port, path, authority, authorization)


def _escape(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace"))


def follow(source: Target, location: bytes) -> Target:
    """The aim of a redirect from `source`.

    A user and password go along only to the same origin.

    Raises:
        RecordError: `redirects` where there is no usable Location, `bad_scheme` where it is not HTTP.
    """
    text = _CONTROL.sub(lambda m: f"%{ord(m[0]):02X}", location.decode("utf-8", "replace").strip())
    if not text:
        raise RecordError(Kind.REDIRECTS, "a redirect without a Location")
    try:
        target = parse(urljoin(source.url, text))
    except ValueError as error:
        raise RecordError(Kind.REDIRECTS, f"a redirect to what is no URL: {text}") from error
    except RecordError as error:
        if error.kind is Kind.BAD_SCHEME:
            raise
        raise RecordError(Kind.REDIRECTS, f"a redirect to what is no URL: {text}") from error
    if target.origin == source.origin and target.authorization is None:
        return Target(
            target.url,
            target.scheme,
            target.host,
            target.port,
            target.path,
            target.authority,
            source.authorization,
        )
    return target
