from __future__ import annotations

import gzip
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing

import pytest

from imgpipe.bench import pictures
from imgpipe.bench.answers import BROKEN
from imgpipe.bench.server import serve

COFFEE = pictures.picture("coffee")


@pytest.fixture(scope="module")
def url():
    with serve() as address:
        yield address


def connect(url, timeout=10):
    return closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout))


def get(url, path, method="GET"):
    """Status, body and headers of one answer."""
    with connect(url) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


def stats(url):
    return json.loads(get(url, "/stats")[1])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/pictures/coffee.jpg", COFFEE),
        ("/photo/3.jpg?size=5000", pictures.sized(5000, 3)),
        ("/size/2000", pictures.sized(2000)),
        ("/size/2000/4.jpg", pictures.sized(2000, 4)),
        ("/redirect/pictures/coffee.jpg?status=200&to=x", b""),
        ("/broken/truncated.jpg", COFFEE[: len(COFFEE) // 2]),
        ("/broken/empty.jpg", b""),
        ("/broken/badgzip.jpg", COFFEE),
    ],
)
def test_a_path_has_its_body(url, path, body):
    """The answer is the file that the path names, as JPEG, with its length."""
    status, found, headers = get(url, path)
    assert (status, found, headers["Content-Length"]) == (200, body, str(len(body)))


def test_a_photograph_has_its_natural_size_unless_one_is_set(url):
    """The server's own --size holds for every photograph; without it they are as they are."""
    assert get(url, "/photo/5.jpg")[1] == pictures.photo(5)
    with serve(size=3000) as other:
        assert get(other, "/photo/5.jpg")[1] == pictures.sized(3000, 5)


@pytest.mark.parametrize("path", ["/", "/pictures/coffee.jpg"])
def test_head_has_no_body(url, path):
    """HEAD answers as GET does, without the body."""
    status, body, headers = get(url, path, "HEAD")
    assert (status, body) == (200, b"")
    assert headers["Content-Length"] == str(len(get(url, path)[1]))


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/pictures/none.jpg",
        "/pictures/../answers.py",
        "/photo/x.jpg",
        "/size/1",
        "/size/-5",
        "/size/99999999999",
        "/status/x",
        "/broken/none",
        "/redirect/x/y",
        "/photo/1.jpg?size=x",
        "nothing",
    ],
)
def test_what_is_not_there_is_404(url, path):
    """A path that names nothing, or nonsense, is not found, and the server lives on."""
    assert get(url, path)[0] == 404


def test_other_methods_are_refused(url):
    """Only GET and HEAD are served."""
    assert get(url, "/", "POST")[0] == 405


def test_status_and_headers_are_set_by_the_path(url):
    """A status, known or not, and headers may be asked for; no header ends the head."""
    assert get(url, "/status/503")[0] == 503
    assert get(url, "/status/599")[0] == 599
    status, body, headers = get(
        url, "/pictures/coffee.jpg?status=429&header=Retry-After:%203&header=X:a%0d%0aY:b"
    )
    assert (status, body, headers["Retry-After"], headers["X"], headers["Y"]) == (
        429,
        COFFEE,
        "3",
        "a  Y:b",
        None,
    )
    assert get(url, "/photo/1.jpg?header=Content-Type:text/html")[2].get_all("Content-Type") == ["text/html"]


def test_redirects_lead_to_their_end(url):
    """N redirects lead to the path, a loop never ends, and another address may be named."""
    with urllib.request.urlopen(f"{url}/redirect/3/pictures/coffee.jpg") as answer:
        assert answer.url == f"{url}/pictures/coffee.jpg"
    assert get(url, "/redirect/loop")[2]["Location"] == "/redirect/loop"
    assert get(url, "/redirect?to=http://10.0.0.1/x")[2]["Location"] == "http://10.0.0.1/x"


def test_a_flaky_path_recovers(url):
    """The first requests are refused, the later ones served."""
    assert [get(url, "/flaky/2/pictures/coffee.jpg")[0] for _ in range(4)] == [503, 503, 200, 200]


def test_latency_delays_an_answer(url):
    """An answer comes no earlier than it should, by the server's option or by the path's."""
    started = time.monotonic()
    get(url, "/pictures/coffee.jpg?latency=0.2")
    with serve(latency=0.2) as slow:
        get(slow, "/pictures/coffee.jpg")
    assert time.monotonic() - started >= 0.4


def test_broken_answers_are_broken_as_they_say(url):
    """Each of them breaks in its own way, and the next connection is served."""
    assert get(url, "/broken/html.jpg")[1].startswith(b"<!doctype html>")
    assert gzip.decompress(get(url, "/broken/gzip.jpg")[1]) == COFFEE
    with pytest.raises(http.client.IncompleteRead):
        get(url, "/broken/incomplete.jpg")
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as client, pytest.raises(ConnectionResetError):
        client.sendall(b"GET /broken/reset.jpg HTTP/1.1\r\n\r\n")
        client.recv(1)
    with pytest.raises(http.client.BadStatusLine):
        get(url, "/broken/garbage.jpg")
    assert set(BROKEN) >= {"slow.jpg", "endless.jpg", "silent.jpg"}


@pytest.mark.parametrize("name", ["slow", "endless", "silent"])
def test_answers_without_an_end_stop_with_their_connection(url, name):
    """What would go on for ever ends when the client goes."""
    before = stats(url)["in_flight"]
    with connect(url) as connection:
        connection.request("GET", f"/broken/{name}.jpg")
        answer = None if name == "silent" else connection.getresponse()
        assert answer is None or answer.read(1) == COFFEE[:1]
        assert name != "endless" or len(answer.read(5_000_000)) == 5_000_000
        assert stats(url)["in_flight"] == before + 1
        if answer is not None:
            answer.close()
    while stats(url)["in_flight"] > before:
        pass


def test_a_connection_serves_many_requests_and_pipelines_in_order(url):
    """Requests on one connection are answered one after the other, also when they come all at once."""
    paths = [f"/size/2000/{number}.jpg" for number in range(5)]
    requests = "".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths).encode()
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as client, client.makefile("rb") as answers:
        client.sendall(requests[:-9])
        client.sendall(requests[-9:])
        for number in range(5):
            while answers.readline() != b"\r\n":
                pass
            assert answers.read(2000) == pictures.sized(2000, number)


@pytest.mark.parametrize("request_", [b"GET /" + b"x" * 200_000, b"GET / HTTP/1.1\r\nA: " + b"x" * 200_000])
def test_a_head_without_end_closes_the_connection(url, request_):
    """A request that never ends is cut at a bound."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as client, pytest.raises(ConnectionError):
        while True:
            client.sendall(request_)


def test_requests_are_counted(url):
    """The counts tell how many requests came, and how many at a time at the most."""
    before = stats(url)
    get(url, "/pictures/coffee.jpg")
    after = stats(url)
    assert after["requests"] == before["requests"] + 2
    assert after["connections"] == before["connections"] + 2
    assert after["peak_in_flight"] >= 1


def test_all_of_loopback_may_be_served():
    """Bound to every address it answers on all of 127.0.0.0/8, as many hosts do."""
    with serve(address="0.0.0.0") as url:
        port = url.rpartition(":")[2]
        assert get(f"http://127.8.9.10:{port}", "/pictures/coffee.jpg")[1] == COFFEE
        assert url == f"http://127.0.0.1:{port}"


def test_it_ends_when_its_input_does_and_loads_nothing_heavy():
    """Without Pillow it is ready, and it ends by itself once the one that started it is gone."""
    code = "import sys; from imgpipe.bench import server; print('PIL' in sys.modules, 'click' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        == b"False False\n"
    )
    command = [sys.executable, "-m", "imgpipe.bench.server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"http://127.0.0.1:")
        process.stdin.close()
        assert process.wait(10) == 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_one_whose_starter_died_meanwhile_says_nothing():
    """With nobody to tell its address to it ends without a traceback."""
    command = [sys.executable, "-m", "imgpipe.bench.server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        process.stdin.close()
        assert (process.stderr.read(), process.wait(10)) == (b"", 0)


def test_a_server_that_cannot_start_is_told():
    """An address that is not this machine's own is an error, not a wait."""
    with pytest.raises(RuntimeError, match="did not start"), serve(address="203.0.113.1"):
        raise AssertionError
