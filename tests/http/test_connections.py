"""Connections that mean no good, from somebody without a token: too large, too slow, too many."""

import contextlib
import socket

import httpx
import pytest

from bot.http_api.connections import MOST_HEAD_BYTES, Connection
from tests.http.test_serving import raw
from tests.patience import PATIENCE_S

_BEGUN = b"GET /v1/version HTTP/1.1\r\nHost: localhost\r\n"


def everything(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def flooded(url: str, head: bytes, piece: bytes) -> tuple[bytes, int]:
    """Send a head and then the same piece again and again; give the answer and how much was taken."""
    sent = 0
    with raw(url, head) as connection, contextlib.suppress(ConnectionError):
        while sent < 32 << 20:
            connection.sendall(piece)
            sent += len(piece)
        return b"", sent
    return b"", sent


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(b"A: " + b"x" * MOST_HEAD_BYTES, id="one header without end"),
        pytest.param(b"A: b\r\n" * (MOST_HEAD_BYTES // 6), id="headers without end"),
        pytest.param(b"A: " + b"x" * MOST_HEAD_BYTES + b"\r\n\r\n", id="a whole head in one piece"),
    ],
)
def test_a_head_that_is_too_large_is_refused(place, more):
    with place.served(engine=False) as url:
        with raw(url, _BEGUN + more) as connection:
            answer = everything(connection)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"urn:watchkeeper:head-too-large" in answer
        assert httpx.get(f"{url}/v1/version", timeout=PATIENCE_S).status_code == 200


def test_a_head_that_is_large_and_not_too_large_is_read(place):
    with place.served(engine=False) as url:
        answer = httpx.get(
            f"{url}/v1/version", headers={"A": "x" * (MOST_HEAD_BYTES - 2048)}, timeout=PATIENCE_S
        )
    assert answer.status_code == 200


def test_trailers_without_end_are_refused(place):
    head = b"POST /v1/version HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with place.served(engine=False) as url:
        _, taken = flooded(url, head, b"A: b\r\n" * 10_000)
    assert taken < 32 << 20


@pytest.mark.parametrize("begun", [b"", b"\r\n", _BEGUN, _BEGUN + b"\r\n" + _BEGUN])
def test_whoever_never_finishes_a_head_is_let_go(place, begun, monkeypatch):
    monkeypatch.setattr(Connection, "head_within_s", 0.2)
    with place.served(engine=False) as url, raw(url, begun) as connection:
        answer = everything(connection)
    assert b"HTTP/1.1 408 " in answer


def test_blank_lines_between_requests_do_not_hold_a_connection(place, monkeypatch):
    monkeypatch.setattr(Connection, "head_within_s", 0.2)
    with place.served(engine=False) as url, raw(url, _BEGUN + b"\r\n") as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"\r\n")
        assert b"HTTP/1.1 408 " in everything(connection)


def test_a_request_that_waits_is_not_taken_for_a_slow_one(place, monkeypatch):
    monkeypatch.setattr(Connection, "head_within_s", 0.2)
    with (
        place.served(keep_alive_s=0.5) as url,
        httpx.stream("GET", f"{url}/v1/stream", headers=place.bearer("vic"), timeout=PATIENCE_S) as response,
    ):
        lines = iter(response.iter_lines())
        assert ": still here" in lines


def test_idle_connections_make_way_for_a_stop(place, monkeypatch):
    monkeypatch.setattr(Connection, "most", 5)
    monkeypatch.setattr(Connection, "head_within_s", 2 * PATIENCE_S)
    with place.served(engine=False) as url, contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(raw(url, _BEGUN))
        answer = httpx.post(f"{url}/v1/kill", headers=place.bearer("ray"), timeout=PATIENCE_S)
        assert answer.status_code == 200
    assert [str(stop.scope) for stop in place.fence.stops()] == ["all"]
