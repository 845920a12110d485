"""Whose a URL is: its parts and its host, from text that anybody may have written."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from imgpipe.errors import Kind, RecordError

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

URL_LENGTH: Final = 16_384
"""Characters of the longest URL that is asked for; servers take 8 KiB commonly, some 16 (nginx, Apache)."""

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(?://([^/?#\\]*))?([^#]*)(?:#.*)?", re.DOTALL)
_AUTHORITY: Final = re.compile(r"(?:(.*)@)?(\[[0-9A-Fa-f:.]+\]|[^:\[\]@]+)(?::([0-9]{0,5}))?", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,251}[A-Za-z0-9_])?\.?")

_LONGEST: Final = 253 + 6
"""Characters of the longest host (RFC 1035 §2.3.4) with a port."""

_REMEMBERED: Final = 1 << 14
"""Hosts whose names are not worked out anew: at 300 bytes each, 5 MB."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a URL is made of.

    Attributes:
        scheme: `http` or `https`.
        user: User and password as they stand; None where there are none.
        host: Name or address, lower case, in ASCII, without a dot at its end; an IPv6 address without
            brackets.
        port: 1 to 65535.
        rest: Path and query as they stand, without the fragment.
    """

    scheme: str
    user: str | None
    host: str
    port: int
    rest: str


def split(url: object) -> Pieces:
    """The pieces of a URL or IRI as people and crawlers write them.

    Raises:
        RecordError: `bad_url` where it has no host, or a wrong one; `bad_scheme` where it is not HTTP.
    """
    scheme, authority, rest, text = _outer(url)
    return Pieces(scheme, *_split_authority(authority, scheme, text), rest)


def host_of(url: object) -> str | None:
    """The host of a URL as `split` has it: one name for all its spellings; None where there is none."""
    try:
        scheme, authority, _, _ = _outer(url)
    except RecordError:
        return None
    # What holds a long user or password is not worth its memory.
    return (_remembered if len(authority) <= _LONGEST else _canonical)(authority, scheme)


def _canonical(authority: str, scheme: str) -> str | None:
    try:
        return _split_authority(authority, scheme, "")[1]
    except RecordError:
        return None


_remembered = functools.lru_cache(_REMEMBERED)(_canonical)


def _outer(url: object) -> tuple[str, str, str, str]:
    """Scheme, authority and rest of a URL, and the URL without space around it."""
    if not isinstance(url, str):
        raise RecordError(Kind.BAD_URL, "the record has no url" if url is None else "the url is no text")
    text = url.strip()
    if not text or len(text) > URL_LENGTH:
        raise RecordError(
            Kind.BAD_URL, "an empty url" if not text else f"longer than {URL_LENGTH} characters"
        )
    found = _URL.fullmatch(text)
    if found is None:
        raise RecordError(Kind.BAD_URL, f"no scheme; a URL begins with http:// or https://: {text}")
    scheme = found[1].lower()
    if scheme not in DEFAULT_PORTS:
        raise RecordError(Kind.BAD_SCHEME, f"{scheme}: is not fetched, only http and https: {text}")
    if not found[2]:
        raise RecordError(Kind.BAD_URL, f"no host: {text}")
    return scheme, found[2], found[3], text


def _split_authority(authority: str, scheme: str, text: str) -> tuple[str | None, str, int]:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise RecordError(Kind.BAD_URL, f"a host that is none: {text}")
    port = int(found[3]) if found[3] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65_536:
        raise RecordError(Kind.BAD_URL, f"port {port} is none: {text}")
    host = found[2]
    if host.startswith("["):
        try:
            return found[1], str(IPv6Address(host[1:-1])), port
        except ValueError:
            raise RecordError(Kind.BAD_URL, f"a host that is none: {text}") from None
    return found[1], _ascii_host(host, text), port


def _ascii_host(host: str, text: str) -> str:
    if not host.isascii():
        import idna  # noqa: PLC0415 - its tables are large, and few hosts need them

        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise RecordError(Kind.BAD_URL, f"a host that is none ({error}): {text}") from error
    if not _NAME.fullmatch(host):
        raise RecordError(Kind.BAD_URL, f"a host that is none: {text}")
    # A dot at the end says that the name is whole. Certificates do not have it (RFC 6066 §3), servers
    # take both; one host it is.
    return host.lower().removesuffix(".")
