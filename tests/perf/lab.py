"""What the measurements work with: pictures, lists of their URLs, a server, and how much of each."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import corpus
from PIL import Image
from webserver import Server, served

HOSTS = 200
"""Of the row that has many."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured: enough that the start of the programs does not decide, and that all rows take
    half an hour with five turns on two cores."""

    pictures: int = 2000
    """Different pictures."""
    urls: int = 8_000
    """Downloads of a turn."""
    piped: int = 4_000
    """Downloads of a turn of the whole pipe."""
    resized: int = 1_000
    """Pictures of a turn of resizing."""
    judged: int = 100
    """Pictures whose quality is compared."""
    starts: int = 10
    """Starts of a turn."""
    few: int = 10_000
    """Records of the smaller run whose memory is measured."""
    many: int = 1_000_000
    """Records of the larger one."""
    some: int = 100_000
    """Records of the larger one where a million would take too long."""

    def scaled(self, factor: float) -> Sizes:
        """The same, each times a factor, for trying."""
        values = {name: max(2, round(size * factor)) for name, size in dataclasses.asdict(self).items()}
        return Sizes(**values)


@dataclass(frozen=True)
class Lab:
    """The place where it all happens.

    Attributes:
        folder: For everything; pictures stay there for the next time.
        sizes: How much.
        source: Where the pictures were cut from.
        server: Which serves them.
        peers: An interpreter with aiohttp and img2dataset; empty where there is none.
    """

    folder: Path
    sizes: Sizes
    source: str
    server: Server
    peers: str

    @property
    def no_peers(self) -> str:
        """Why a row against them cannot be run; empty where it can."""
        return "" if self.peers else "no interpreter with the peers was given"

    @property
    def out(self) -> Path:
        """The folder that each run fills."""
        return self.folder / "out"

    @property
    def pictures(self) -> list[Path]:
        """The pictures, by name."""
        return sorted((self.folder / "pictures").iterdir())

    def listed(self, name: str, lines: Iterator[str] | list[str]) -> Path:
        """A file with these lines."""
        path = self.folder / "lists" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def urls(self, name: str, count: int, *, hosts: int = 1, tls: bool = False) -> Path:
        """A list of `count` URLs of the pictures, on one host or on several in turn."""
        pictures = self.pictures
        return self.listed(
            name,
            [
                self.server.url(pictures[n % len(pictures)], n % len(pictures), host(n % hosts), tls=tls)
                for n in range(count)
            ],
        )

    def described(self) -> dict[str, Any]:
        """What was measured on, for the figures."""
        bytes_ = [path.stat().st_size for path in self.pictures]
        return {
            "pictures": {
                "count": len(bytes_),
                "from": self.source,
                "mean_bytes": round(statistics.mean(bytes_)),
                "median_bytes": round(statistics.median(bytes_)),
            },
            "server": self.server.name,
            "sizes": dataclasses.asdict(self.sizes),
        }


def host(number: int) -> str:
    """The number-th of the addresses of this machine, of which there are millions."""
    return f"127.0.{number // 250}.{number % 250 + 1}"


@contextlib.contextmanager
def opened(folder: Path, sizes: Sizes, peers: str) -> Iterator[Lab]:
    """Make the pictures, unless they are there, and start the server."""
    source, sources = corpus.photographs(folder / "photographs")
    corpus.make(folder / "pictures", sizes.pictures, sources)
    (folder / "tiny.jpg").write_bytes(_tiny())
    with served(folder) as server:
        yield Lab(folder, sizes, source, server, peers)


def _tiny() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((24, 16)).convert("RGB").save(out, "JPEG")
    return out.getvalue()
