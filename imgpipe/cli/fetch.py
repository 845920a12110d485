"""`imgpipe fetch`: download the images of a list of URLs."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import click

from imgpipe import console, fetch, files
from imgpipe.cli.params import BYTES, SECONDS, SECONDS_RANGE, PathName
from imgpipe.cli.stage import SPOOLED, Common, common_options, run_stage
from imgpipe.errors import Exit, safe
from imgpipe.fetch.options import AUTO, USER_AGENT, FetchOptions, Hash, Mode
from imgpipe.remote import address_of
from imgpipe.tally import Tally

_PROXY_SCHEMES: Final = frozenset({"http", "https", "socks5", "socks5h"})
"""What httpx can speak to a proxy (the last two with its extra `socks`)."""


class PerHost(click.ParamType[int]):
    """A number of requests, `auto`, or 0 for no limit."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; `AUTO` for auto."""
        if value == "auto":
            return AUTO
        if isinstance(value, int):
            return value
        if not str(value).isascii() or not str(value).isdigit():
            self.fail(f"{value!r} is neither a number nor auto", param, ctx)
        return int(value)


def _headers(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    headers = []
    for value in values:
        name, colon, content = value.partition(":")
        if (
            not colon
            or not name.strip()
            or not value.isascii()
            or not value.isprintable()
            or " " in name.strip()
        ):
            raise click.BadParameter(f"{value!r} is no header; write 'Name: value'")
        headers.append((name.strip(), content.strip()))
    return tuple(headers)


def _user_agent(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not value.strip() or not value.isascii() or not value.isprintable():
        raise click.BadParameter(f"{value!r} is no name for a header; write plain text")
    return value.strip()


def _proxy(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    scheme, colons, rest = value.rpartition("://")
    if not value.isascii() or not rest or (colons and scheme not in _PROXY_SCHEMES):
        raise click.BadParameter(f"{value.rpartition('@')[2]!r} is no proxy; write http://HOST:PORT")
    return value


def _networks(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(value, strict=False) for value in values)
    except ValueError as error:
        raise click.BadParameter(f"{error}; write 10.0.0.0/8 or fd00::/8") from error


def _pins(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    pins = []
    for value in values:
        host, _, address = value.partition(":")
        try:
            pins.append((host.lower(), str(ip_address(address.strip("[]")))))
        except ValueError as error:
            raise click.BadParameter(
                f"{value!r}: write HOST:ADDRESS, such as example.com:93.184.215.14"
            ) from error
    return tuple(pins)


@click.command("fetch")
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.ASYNC.value,
    show_default=True,
    help="How requests are scheduled.",
)
@click.option(
    "-j",
    "--concurrency",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Records in flight over the whole command (async 64, threads 32, processes: the cores, loop 1).",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    metavar="N",
    help="Event loops in as many processes, the hosts divided among them.",
)
@click.option(
    "--per-host",
    type=PerHost(),
    default="auto",
    show_default=True,
    metavar="N|auto",
    help="Requests in flight to one host; auto adapts to it, 0 sets no limit.",
)
@click.option(
    "--delay",
    type=SECONDS_RANGE,
    metavar="A[-B]",
    help="Seconds from start to start of requests to one host, one at a time, drawn at random from A to B.",
)
@click.option(
    "--timeout",
    type=SECONDS,
    default=30.0,
    show_default=True,
    metavar="S",
    help="Seconds for the whole of one attempt, redirects and body included.",
)
@click.option(
    "--connect-timeout",
    type=SECONDS,
    default=5.0,
    show_default=True,
    metavar="S",
    help="Seconds for name, connection and TLS handshake.",
)
@click.option(
    "--min-speed",
    type=click.IntRange(0),
    default=1024,
    show_default=True,
    metavar="N",
    help="Bytes a second that a body must keep after 10 seconds; 0 sets no floor.",
)
@click.option(
    "--retries",
    type=click.IntRange(0, 100),
    default=2,
    show_default=True,
    metavar="N",
    help="Further attempts after failures that may pass.",
)
@click.option(
    "--max-bytes",
    type=BYTES,
    default="20M",
    show_default=True,
    metavar="SIZE",
    help="The largest file that is taken.",
)
@click.option(
    "--max-redirects",
    type=click.IntRange(0, 50),
    default=5,
    show_default=True,
    metavar="N",
    help="Redirects followed.",
)
@click.option(
    "--user-agent",
    default=USER_AGENT,
    callback=_user_agent,
    show_default="imgpipe/VERSION (+URL)",
    metavar="TEXT",
    help="Who asks.",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    callback=_headers,
    metavar="'K: V'",
    help="A header of each request; repeatable.",
)
@click.option(
    "--proxy", metavar="URL", callback=_proxy, help="The proxy, instead of the usual proxy variables."
)
@click.option("--insecure", is_flag=True, help="Do not check certificates.")
@click.option("--allow-private", is_flag=True, help="Also connect to addresses that are not public.")
@click.option(
    "--allow-net",
    "allow_nets",
    multiple=True,
    callback=_networks,
    metavar="CIDR",
    help="Also connect to this network; repeatable.",
)
@click.option(
    "--resolve",
    multiple=True,
    callback=_pins,
    metavar="HOST:ADDR",
    help="The address to use for a host; repeatable.",
)
@click.option("--robots", is_flag=True, help="Ask each host for its robots.txt, and obey it.")
@click.option("--ignore-opt-out", is_flag=True, help="Take images whose site opts out of data sets.")
@click.option(
    "--hash",
    "digest",
    type=click.Choice([digest.value for digest in Hash]),
    default=Hash.SHA256.value,
    show_default=True,
    help="The digest put into the record.",
)
@click.option("--verify", metavar="FIELD", help="The record's field with the digest that the file must have.")
@click.option(
    "-d", "--dir", "folder", metavar="DIR", type=PathName(), help="Keep the files in DIR, not in the spool."
)
@click.option(
    "--spool", metavar="DIR", type=PathName(path_type=Path), help="Where files wait for the next stage."
)
@click.option(
    "--resume",
    multiple=True,
    metavar="OUT",
    type=PathName(path_type=Path),
    help="Leave out what OUT, made by shard, holds already or failed for good; repeatable.",
)
@click.option("--part", metavar="NAME", help="With --resume: the one part of OUT to read.")
@click.option("--retry-failed", is_flag=True, help="With --resume: try again what failed for good.")
@common_options
def command(
    common: Common, urls: tuple[str, ...], mode: str, digest: str, folder: str | None, **given: Any
) -> Exit:
    """Download the image of each URL or record, and pass on a record with its file.

    Reads URLs or JSON lines from standard input, or takes URLs as arguments. Files go into a spool from which
    the next stage takes them, or into DIR.
    """
    options = FetchOptions(
        mode=Mode(mode),
        hash=Hash(digest),
        dir=files.make_folder(folder) if folder is not None else None,
        concurrency=given.pop("concurrency") or 0,
        ordered=common.ordered,
        **given,
    )
    return run_stage(
        "fetch",
        common,
        lambda records, emit: fetch.run(records, emit, options),
        bare="url",
        values=urls,
        waits_for="URLs, one a line",
        after=lambda tally: _afterwards(tally, options, common),
    )


def _afterwards(tally: Tally, options: FetchOptions, common: Common) -> str | None:
    """Where the files are, or why fewer come out than went in: what people ask next."""
    if console.is_last_stage():
        return SPOOLED if tally.ok and options.dir is None else None
    # The last stage tells how many it placed, and would tell of none without a word why.
    if tally.left_out:
        return f"{tally.left_out} left out, done before" if not common.verbose else None
    # By now the last stage has made the folder of a first run: this one is a slip, which places all once more.
    absent = (
        [out for out in options.resume if address_of(out) is None and not out.exists()] if tally.done else []
    )
    return f"--resume {safe(str(absent[0]))}: there is no such folder, so all was fetched" if absent else None
