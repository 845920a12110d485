"""The web server of the measurements: nginx on loopback, or imgpipe's own where there is no nginx."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trustme

from imgpipe.bench.server import serve

CONFIG = """
worker_processes 1; daemon off; pid nginx.pid; error_log error.log; {user}
events {{ worker_connections 8192; }}
http {{
  access_log off; sendfile on; tcp_nopush on; open_file_cache max=20000; types {{ image/jpeg jpg; image/png png; image/webp webp; }}
  keepalive_requests 1000000; keepalive_timeout 300;
  client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
  root {root};
  {servers}
}}
"""

LOCATIONS = "location / { }  location /tiny/ { rewrite ^ /tiny.jpg break; }"


@dataclass(frozen=True)
class Server:
    """A server that answers on all of 127.0.0.0/8.

    Attributes:
        name: What it is, with its version.
        port, tls_port: Where it listens; no `tls_port` where it cannot do TLS.
        static: Whether it serves the files of the folder; else photographs of its own.
    """

    name: str
    port: int
    tls_port: int | None
    static: bool

    def url(self, file: Path, number: int, host: str = "127.0.0.1", *, tls: bool = False) -> str:
        """The address of a picture: of the file, or of the server's own by its number."""
        base = f"https://{host}:{self.tls_port}" if tls else f"http://{host}:{self.port}"
        return f"{base}/{file.parent.name}/{file.name}" if self.static else f"{base}/photo/{number}.jpg"

    def tiny(self, number: int, host: str) -> str:
        """The address of a picture of a kilobyte, another one for each number."""
        base = f"http://{host}:{self.port}"
        return f"{base}/tiny/{number}.jpg" if self.static else f"{base}/size/1024/{number}.jpg"


@contextlib.contextmanager
def served(root: Path) -> Iterator[Server]:
    """A server for the files below `root`, of which `tiny.jpg` is the one of a kilobyte."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        with serve(address="0.0.0.0") as url:
            yield Server("imgpipe's embedded server", int(url.rpartition(":")[2]), None, static=False)
        return
    told = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    room = root / "nginx"
    room.mkdir(exist_ok=True)
    plain, tls = _free_ports(2)
    (room / "nginx.conf").write_text(_config(root, room, plain, tls))
    with subprocess.Popen([program, "-p", room, "-c", "nginx.conf", "-e", "error.log"]) as process:
        try:
            _wait_for(process, plain)
            yield Server("nginx " + re.search(r"nginx/(\S+)", told)[1], plain, tls, static=True)
        finally:
            process.terminate()


def _config(root: Path, room: Path, plain: int, tls: int) -> str:
    authority = trustme.CA()
    pair = authority.issue_cert("127.0.0.1", "localhost")
    pair.private_key_and_cert_chain_pem.write_to_path(room / "pair.pem")
    both = [
        f"server {{ listen 0.0.0.0:{plain} backlog=4096; {LOCATIONS} }}",
        f"server {{ listen 0.0.0.0:{tls} ssl; ssl_certificate pair.pem; ssl_certificate_key pair.pem; {LOCATIONS} }}",
    ]
    # As root its worker would be another user, who may not read what is here.
    user = "user root;" if os.geteuid() == 0 else ""
    return CONFIG.format(root=root, user=user, servers="\n  ".join(both))


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("0.0.0.0", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_for(process: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise SystemExit("nginx did not start; its error.log is in the working folder")
