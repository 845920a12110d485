"""The way to the network that one event loop uses, put together from the options."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Mapping
from typing import Final

from imgpipe.fetch.names import NameCache, Names
from imgpipe.fetch.options import FetchOptions
from imgpipe.fetch.proxies import proxy_variables
from imgpipe.fetch.robots import Rules
from imgpipe.fetch.transport import Opener, Transport

IDLE: Final = 512
"""Idle connections kept by a process: with a few hundred hosts in turn, each finds its own again. A new
connection costs about as much as a picture."""


class Shared:
    """What all event loops of a process share: names that are known, and what is trusted in TLS.

    Args:
        options: What the user set.
    """

    def __init__(self, options: FetchOptions) -> None:
        self.options = options
        self.names = NameCache(options.resolve)
        self.rules = Rules() if options.robots and not options.ignore_opt_out else None

    @functools.cached_property
    def context(self) -> ssl.SSLContext:
        """The one TLS context of the process. Made at the first need: it takes 33 ms."""
        paths = ssl.get_default_verify_paths()
        # Python builds without a system store of certificates (macOS) use httpx's own.
        if paths.cafile or paths.capath:
            context = ssl.create_default_context()
        else:
            from httpx import create_ssl_context  # noqa: PLC0415 - slow to load, and rarely needed

            context = create_ssl_context()
        if self.options.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def open_transport(shared: Shared, jobs: int, environment: Mapping[str, str] = os.environ) -> Opener:
    """The transport of one event loop.

    Args:
        shared: What loops share.
        jobs: Requests in flight on this loop at the most.
        environment: Where proxy variables are looked for.
    """
    options = shared.options
    allowed = None if options.allow_private else options.allow_nets
    # A lookup that was given up may keep its thread for some further connect timeouts.
    names = Names(shared.names, allowed, threads=4 * jobs + 64)
    idle = max(IDLE * jobs // options.concurrency, jobs, 4)
    direct = Transport(names, lambda: shared.context, options.connect_timeout, idle=idle)
    variables = {"all_proxy": options.proxy} if options.proxy else proxy_variables(environment)
    if not variables:
        return direct
    from imgpipe.fetch.httpx_seam import Proxied  # noqa: PLC0415 - httpx is slow to load, and rarely needed

    return Proxied(direct, variables, allowed, shared, jobs)
