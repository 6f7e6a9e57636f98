"""The API on a real socket: streams, bodies that are large or slow, and how it comes to its end."""

import asyncio
import contextlib
import json
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from bot.http_api.address import read_address
from bot.http_api.serving import serve
from engine.errors import InputError, StorageError
from tests.house.tree import ROOT
from tests.http.placing import ALLOWED, GRANTED, waited, worker
from tests.patience import PATIENCE_S


class Frames:
    """Reads server-sent events off a response, one at a time."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def __iter__(self):
        frame: dict[str, str] = {}
        for line in self._lines:
            if line.startswith(":"):
                yield {"comment": line[1:].strip()}
            elif not line and frame:
                yield frame
                frame = {}
            elif line:
                name, _, value = line.partition(": ")
                frame[name] = value


def raw(url: str, head: bytes) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), PATIENCE_S)
    connection.sendall(head)
    return connection


def test_a_decision_is_streamed_to_its_end_and_can_be_resumed(place):
    with (
        place.served() as url,
        httpx.Client(base_url=url, headers=place.bearer("coder-1"), timeout=PATIENCE_S) as client,
    ):
        made = client.post("/v1/proposals", json=ALLOWED).json()
        path = f"/v1/decisions/{made['decision_id']}/stream"
        with client.stream("GET", path) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            frames = iter(Frames(response))
            seen = [next(frames)]
            threading.Thread(target=worker, args=(place,)).start()
            seen += list(frames)
        said = [json.loads(frame["data"]) for frame in seen]
        assert [one["status"] for one in said] == ["queued", "running", "done"]
        assert [frame["event"] for frame in seen] == ["status"] * 3
        assert said[-1]["result"]["output"] == "ok"
        with client.stream("GET", path, headers={"Last-Event-ID": seen[0]["id"]}) as response:
            rest = [json.loads(frame["data"])["status"] for frame in Frames(response)]
        assert rest == ["running", "done"]
        assert client.get(path, headers={"Last-Event-ID": seen[-1]["id"]}).status_code == 204


def test_an_undo_is_streamed_too(place):
    with (
        place.served() as url,
        httpx.Client(base_url=url, headers=place.bearer("ray"), timeout=PATIENCE_S) as client,
    ):
        made = client.post("/v1/proposals", json=ALLOWED, headers=place.bearer("coder-1")).json()
        worker(place)
        decision = made["decision_id"]
        assert client.post(f"/v1/decisions/{decision}/undo").status_code == 202
        with client.stream("GET", f"/v1/decisions/{decision}/stream") as response:
            threading.Thread(target=worker, args=(place,)).start()
            frames = list(Frames(response))
    assert [(frame["event"], json.loads(frame["data"])["status"]) for frame in frames] == [
        ("status", "queued"),
        ("status", "running"),
        ("status", "done"),
        ("undo", "queued"),
        ("undo", "running"),
        ("undo", "done"),
    ]


def test_everything_is_streamed_to_people_and_its_own_to_an_agent(place):
    with place.served() as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:

        def follow(who, after, most):
            found = []
            with client.stream("GET", f"/v1/stream?after={after}", headers=place.bearer(who)) as response:
                for frame in Frames(response):
                    if "event" in frame:
                        found.append((frame["event"], json.loads(frame["data"])["fact"]))
                    if len(found) == most:
                        return found
            return found

        for agent in ("coder-2", "coder-1"):
            client.post("/v1/proposals", json=GRANTED, headers=place.bearer(agent))
        person = follow("vic", 0, 4)
        agent = follow("coder-1", 0, 2)
    assert [name for name, _ in person] == [
        "policy_adopted",
        "captaincy_begun",
        "proposal_received",
        "verdict_reached",
    ]
    assert [name for name, _ in agent] == ["proposal_received", "verdict_reached"]
    assert agent[0][1]["proposal"]["agent"] == "coder-1"


def test_a_silent_stream_says_that_it_is_there_and_ends_with_its_token(place):
    with (
        place.served(keep_alive_s=0.2) as url,
        httpx.stream(
            "GET", f"{url}/v1/stream", headers=place.bearer("coder-2"), timeout=PATIENCE_S
        ) as response,
    ):
        frames = iter(Frames(response))
        assert next(frames) == {"comment": "begins"}
        assert next(frames) == {"comment": "still here"}
        entry = next(one for one in place.tokens.entries() if one.name == "coder-2")
        place.tokens.revoke(entry.id)
        rest = list(frames)
    assert all("comment" in frame for frame in rest)


def test_one_token_opens_only_so_many_streams(place):
    with (
        place.served() as url,
        httpx.Client(base_url=url, headers=place.bearer("vic"), timeout=PATIENCE_S) as client,
    ):
        reading = []  # kept, for a reader that is let go closes its connection
        with contextlib.ExitStack() as stack:
            for _ in range(16):
                response = stack.enter_context(client.stream("GET", "/v1/stream"))
                assert response.status_code == 200
                reading.append(response.iter_lines())
                next(reading[-1])
            assert client.get("/v1/stream").status_code == 429
        for _ in range(50_000):
            with client.stream("GET", "/v1/stream") as response:
                if response.status_code == 200:
                    break
            time.sleep(0.05)
        assert response.status_code == 200, "closed streams count no more"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused_while_it_comes(place, chunked):
    def body():
        for _ in range(2000):
            yield b"x" * 1024

    headers = place.bearer("cat") | {"Content-Type": "application/json"}
    with (
        place.served(engine=False) as url,
        httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S) as client,
    ):
        answer = client.post("/v1/kill", content=body() if chunked else b"x" * (2 << 20))
        assert answer.status_code == 413
        assert answer.json()["type"] == "urn:watchkeeper:too-large"
        assert client.get("/v1/version").status_code == 200
    assert place.fence.stops() == ()


def test_a_slow_body_is_not_waited_for(place):
    with place.served(engine=False, body_within_s=0.3) as url:
        head = (
            f"POST /v1/kill HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {place.token['cat']}\r\nContent-Length: 20\r\n\r\n{{"
        ).encode()
        with raw(url, head) as connection:
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"urn:watchkeeper:too-slow" in answer
    assert place.fence.stops() == ()


def test_while_others_send_slowly_everybody_else_is_answered(place):
    with place.served(engine=False, body_within_s=2 * PATIENCE_S) as url, contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(
                raw(url, b"POST /v1/kill HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
            )
        answer = httpx.get(f"{url}/v1/health", timeout=PATIENCE_S)
    assert answer.json() == {"front": "ok", "engine": "away"}


def test_a_client_that_hangs_up_does_not_take_its_stop_back(place):
    with place.served(engine=False) as url:
        head = (
            f"POST /v1/kill HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {place.token['cat']}\r\n"
            "Content-Length: 0\r\n\r\n"
        ).encode()
        raw(url, head).close()
        for _ in range(50_000):
            if place.fence.stops():
                break
            time.sleep(0.02)
    assert [str(stop.scope) for stop in place.fence.stops()] == ["all"]


def test_a_waiting_request_is_answered_when_the_server_stops(place):
    answers = []

    def ask(url):
        answers.append(
            httpx.post(
                f"{url}/v1/proposals?wait_s=60",
                json=ALLOWED,
                headers=place.bearer("coder-1"),
                timeout=PATIENCE_S,
            )
        )

    with place.served() as url:
        thread = threading.Thread(target=ask, args=(url,))
        thread.start()
        for _ in range(50_000):
            if place.layout.journal.exists() and place.journal().tasks.all():
                break
            time.sleep(0.01)
        time.sleep(0.1)
        began = time.monotonic()
    thread.join(PATIENCE_S)
    assert answers[0].status_code == 202
    assert time.monotonic() - began < 30


_SCRIPT = """
import logging, sys
from pathlib import Path
from bot.http_api.serving import log_requests, run
from engine.adapters.token_file import TokenFile
from tests.http.placing import Place
home = Path(sys.argv[1])
place = Place(home, TokenFile(home / "tokens.json"))
log_requests(logging.StreamHandler())
run(place.app, host="127.0.0.1", port=0, address_file=home / "http.json")
place.close()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_its_address_is_gone(place, number):
    address_file = place.layout.home / "http.json"
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(place.layout.home)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        address = waited(address_file, [])
        assert address.pid == process.pid
        with httpx.stream(
            "GET", f"{address.url}/v1/stops", headers=place.bearer("cat"), timeout=PATIENCE_S
        ) as answer:
            assert answer.status_code == 200
            request_id = answer.headers["x-request-id"]
        process.send_signal(number)
        _, log = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, log
    assert f"[{request_id}] GET /v1/stops 200" in log
    assert not address_file.exists()


def test_the_address_is_left_alone_when_another_server_wrote_it(place, tmp_path):
    with place.served(engine=False):
        path = place.layout.home / "http.json"
        path.write_text('{"url":"http://127.0.0.1:1","host":"127.0.0.1","port":1,"pid":1}')
    assert read_address(path).port == 1
    path.write_text("{")
    with pytest.raises(InputError, match="is not an address"):
        read_address(path)


@pytest.mark.asyncio
async def test_whoever_comes_while_it_starts_waits_and_is_answered(place):
    app, file, stop, ready = place.app(), place.layout.home / "http.json", asyncio.Event(), asyncio.Event()
    own = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def slow(app):
        await ready.wait()
        async with own(app) as state:
            yield state

    app.router.lifespan_context = slow
    serving = asyncio.create_task(serve(app, host="127.0.0.1", port=0, address_file=file, stop=stop))
    while (address := read_address(file)) is None:
        await asyncio.sleep(0.01)
    reading, writing = await asyncio.open_connection("127.0.0.1", address.port)
    writing.write(b"GET /v1/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    ready.set()
    assert (await reading.readline()).split()[1] == b"200"
    writing.close()
    stop.set()
    await serving


@pytest.mark.asyncio
async def test_a_port_that_is_taken_is_said(place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StorageError, match="address already in use"):
            await serve(
                place.app(), host="127.0.0.1", port=port, address_file=place.layout.home / "http.json"
            )


@pytest.mark.asyncio
async def test_a_host_that_is_not_this_machines_is_said(place):
    with pytest.raises((InputError, StorageError)):
        await serve(place.app(), host="192.0.2.1", port=0, address_file=place.layout.home / "http.json")


def test_the_list_of_tokens_is_its_owners_alone(place):
    assert stat.S_IMODE(place.layout.tokens.stat().st_mode) == 0o600
