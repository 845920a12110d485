"""The programs that imgpipe is measured against, as their users run them."""

from __future__ import annotations

from pathlib import Path

AIOHTTP = """
import asyncio, ssl, sys
import aiohttp

async def main(urls, out, concurrency, fresh, proxies):
    work = enumerate(urls)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connector = aiohttp.TCPConnector(limit=concurrency, force_close=fresh, ssl=context)
    async with aiohttp.ClientSession(connector=connector, trust_env=proxies) as session:
        async def worker():
            for i, url in work:
                async with session.get(url) as response:
                    body = await response.read()
                with open(f"{out}/{i:09d}", "wb") as f:
                    f.write(body)
        await asyncio.gather(*(worker() for _ in range(concurrency)))

asyncio.run(main(open(sys.argv[1]).read().split(), sys.argv[2], 64, "fresh" in sys.argv, "lean" not in sys.argv))
"""
"""The least that downloads: every body to a file, and nothing else. `lean` does not heed proxy variables."""

RESIZER = """
import io, json, os, sys, time
from img2dataset.resizer import Resizer
size, mode, kind, out, listed = int(sys.argv[1]), *sys.argv[2:6]
paths = open(listed).read().split("\\n")[:-1]
more = {"encode_format": "png", "encode_quality": 6} if kind == "png" else {}
resizer = Resizer(image_size=size, resize_mode=mode, resize_only_if_bigger=False, **more)
cpu, user, wall, failed = time.process_time(), os.times().user, time.monotonic(), 0
for i, path in enumerate(paths):
    with open(path, "rb") as file:
        data, *_, error = resizer(io.BytesIO(file.read()))
    if error:
        failed += 1
        continue
    with open(f"{out}/{i}.{kind}", "wb") as file:
        file.write(data)
took = {"cpu": time.process_time() - cpu, "user": os.times().user - user, "wall": time.monotonic() - wall}
print(json.dumps({**took, "failed": failed}))
"""
"""img2dataset's resizer alone, in one thread; it tells its own time, without the start."""


def aiohttp(python: str, urls: Path, out: Path, mode: str = "kept") -> list[str]:
    """The aiohttp script; `mode` is kept, fresh (a connection each) or lean."""
    return [python, "-c", AIOHTTP, str(urls), str(out), mode]


def curl(config: Path) -> list[str]:
    """One curl that downloads all that is in a file for `--config`, 64 at a time."""
    return ["curl", "-s", "--parallel", "--parallel-max", "64", "--config", str(config)]


def curl_config(urls: Path, out: Path) -> list[str]:
    """The lines of such a file."""
    return [f'url = "{url}"\noutput = "{out}/{i:09d}"' for i, url in enumerate(urls.read_text().split())]


def img2dataset(python: str, urls: Path, out: Path, **further: str) -> list[str]:
    """img2dataset with two processes of 64 threads, with further options of its own."""
    options = {
        "url_list": str(urls),
        "output_folder": f"{out}/i2d",
        "processes_count": "2",
        "thread_count": "64",
        "number_sample_per_shard": "1000",
        **further,
    }
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    return [python, "-c", "from img2dataset.main import main; main()", *flags]


def resizer(python: str, size: int, mode: str, kind: str, out: Path, listed: Path) -> list[str]:
    """img2dataset's resizer over the files that are listed, into `out`, as jpg or png."""
    return [python, "-c", RESIZER, str(size), mode, kind, str(out), str(listed)]
