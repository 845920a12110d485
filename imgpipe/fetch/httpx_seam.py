"""The seam to httpx, both ways: requests through a proxy take its own transport, whose exceptions become
kinds here; and ours stands in for its own, for programs that use httpx."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Final

import httpx
import trio

from imgpipe.errors import Kind, RecordError, UsageError
from imgpipe.fetch import urls
from imgpipe.fetch.addresses import Network, is_allowed
from imgpipe.fetch.answers import Headers
from imgpipe.fetch.names import literal
from imgpipe.fetch.proxies import proxy_for
from imgpipe.fetch.transport import BodyStream, Opened, Opener

if TYPE_CHECKING:
    from imgpipe.fetch.network import Shared

CLOSE_SECONDS: Final = 1.0
"""Seconds that the end of a body may take."""

KINDS: Final[dict[type[Exception], Kind]] = {
    httpx.ConnectTimeout: Kind.CONNECT,
    httpx.PoolTimeout: Kind.TIMEOUT,
    httpx.TimeoutException: Kind.TIMEOUT,
    httpx.ConnectError: Kind.CONNECT,
    httpx.ProxyError: Kind.CONNECT,
    httpx.ReadError: Kind.INCOMPLETE,
    httpx.WriteError: Kind.INCOMPLETE,
    httpx.NetworkError: Kind.CONNECT,
    httpx.RemoteProtocolError: Kind.PROTOCOL,
    httpx.LocalProtocolError: Kind.BAD_URL,
    httpx.ProtocolError: Kind.PROTOCOL,
    httpx.UnsupportedProtocol: Kind.BAD_SCHEME,
    httpx.DecodingError: Kind.BAD_ENCODING,
    httpx.TooManyRedirects: Kind.REDIRECTS,
    httpx.TransportError: Kind.CONNECT,
    httpx.RequestError: Kind.PROTOCOL,
    httpx.InvalidURL: Kind.BAD_URL,
    httpx.StreamError: Kind.INTERNAL,
    httpx.HTTPError: Kind.PROTOCOL,
}
"""What each of httpx's exceptions is to a record; the nearest class counts."""


def kind_of(error: Exception) -> Kind:
    """The kind of one of httpx's exceptions."""
    return next((KINDS[parent] for parent in type(error).__mro__ if parent in KINDS), Kind.INTERNAL)


class Proxied:
    """Sends requests through the proxy that is set for them, and the others directly.

    The proxy resolves names itself, so that the address rule holds for literal addresses only.

    Args:
        direct: For what goes past the proxies.
        variables: The proxies, by the names of their variables.
        allowed: Networks that may be connected to although they are not public; None allows all.
        shared: Has the TLS context.
        jobs: Requests in flight at the most.
    """

    def __init__(
        self,
        direct: Opener,
        variables: Mapping[str, str],
        allowed: tuple[Network, ...] | None,
        shared: Shared,
        jobs: int,
    ) -> None:
        self._direct = direct
        self._variables = variables
        self._allowed = allowed
        self._shared = shared
        self._jobs = jobs
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}

    async def open(self, target: urls.Target, headers: Headers) -> Opened:
        """Send a GET request.

        Raises:
            RecordError: Of the kind that httpx's exception stands for.
        """
        proxy = proxy_for(target, self._variables)
        if proxy is None:
            return await self._direct.open(target, headers)
        self._check(target.host)
        seconds = self._shared.options.connect_timeout
        timeout = {"timeout": {"connect": seconds}}
        try:
            request = httpx.Request("GET", target.url, headers=list(headers), extensions=timeout)
            response = await self._through(proxy).handle_async_request(request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _as_record_error(error) from error
        assert isinstance(response.stream, httpx.AsyncByteStream), "an asynchronous transport streams so"
        lower = [(name.lower(), value) for name, value in response.headers.raw]
        return Opened(response.status_code, lower, _Body(response.stream))

    def _check(self, host: str) -> None:
        for address in literal(host) or []:
            if self._allowed is not None and not is_allowed(address, self._allowed):
                raise RecordError(Kind.BLOCKED_ADDRESS, f"{address} is not public (--allow-private)")

    def _through(self, proxy: str) -> httpx.AsyncHTTPTransport:
        # As many as there are proxy variables: at most three.
        transport = self._transports.get(proxy)
        if transport is None:
            limits = httpx.Limits(max_connections=self._jobs, max_keepalive_connections=self._jobs)
            try:
                transport = httpx.AsyncHTTPTransport(proxy=proxy, verify=self._shared.context, limits=limits)
            except (ImportError, ValueError, httpx.InvalidURL) as error:
                raise UsageError(
                    f"the proxy {proxy.rpartition('@')[2]} cannot be used: {error}; --proxy names another"
                ) from error
            self._transports[proxy] = transport
        return transport

    async def aclose(self) -> None:
        """Close all connections."""
        await self._direct.aclose()
        for transport in self._transports.values():
            await transport.aclose()


class _Body(httpx.AsyncByteStream):
    """A body from httpx's transport, whose exceptions become kinds too."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, encoded as they were sent."""
        try:
            async for piece in self._stream:
                yield piece
        except httpx.HTTPError as error:
            raise _as_record_error(error) from error

    async def aclose(self) -> None:
        """Give the connection back. Not to be cancelled: by then the file may be there, and is told of."""
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            await self._stream.aclose()


def _as_record_error(error: Exception) -> RecordError:
    kind = kind_of(error)
    # What happened says the innermost cause; the layers around it give it no words of their own.
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    if kind is Kind.CONNECT and isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        kind = Kind.TLS
    return RecordError(kind, f"through the proxy: {str(error) or str(cause) or type(error).__name__}")


class TrioTransport(httpx.AsyncBaseTransport):
    """Our transport as one of httpx's: `httpx.AsyncClient(transport=TrioTransport(opener))`, on trio.

    It raises `RecordError`, whose kinds tell more than httpx's exceptions do.

    Args:
        opener: What sends the requests.
    """

    def __init__(self, opener: Opener) -> None:
        self._opener = opener

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a GET request; returns once the head of the answer is there.

        Raises:
            RecordError: As `Opener.open`.
        """
        opened = await self._opener.open(urls.parse(str(request.url)), request.headers.raw)
        return httpx.Response(opened.status, headers=list(opened.headers), stream=_Stream(opened.body))

    async def aclose(self) -> None:
        """Close what is kept."""
        await self._opener.aclose()


class _Stream(httpx.AsyncByteStream):
    """A body of ours as httpx takes it."""

    def __init__(self, body: BodyStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces."""
        async for piece in self._body:
            yield piece

    async def aclose(self) -> None:
        """Give the connection back."""
        await self._body.aclose()
