"""The transport for bursts, against a server that answers byte by byte what a test wants."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess

import httpx
import pytest
import uvloop

from notifiers import quick_http
from notifiers.quick_http import QuickTransport
from tests.needs import need
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers the nth request with the nth of its answers, and counts connections."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.got: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader, writer) -> None:
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                self.got.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                writer.write(answer)
                if answer == b"" or b"Connection: close" in answer:
                    break
            else:
                await reader.read()
        writer.close()


@contextlib.asynccontextmanager
async def asked(*answers: bytes, most: int = 4):
    """A server, and a function that posts to it."""
    server = Server(*answers)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    transport = QuickTransport(most_connections=most)

    async def post(content: bytes = b"a=1") -> httpx.Response:
        request = httpx.Request("POST", f"http://127.0.0.1:{port}/x?y=1", content=content)
        async with asyncio.timeout(PATIENCE_S):
            return await transport.handle_async_request(request)

    yield server, post
    await transport.aclose()
    listening.close()
    for writer in server.writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_request_is_written_as_it_is_and_the_answer_read():
    async with asked(OK) as (server, post):
        response = await post()
    assert (response.status_code, response.text) == (200, "ok")
    assert server.got[0].startswith(b"POST /x?y=1 HTTP/1.1\r\n")
    assert server.got[0].endswith(b"\r\n\r\na=1")
    assert b"Content-Length: 3\r\n" in server.got[0]
    assert b"Host: 127.0.0.1:" in server.got[0]


async def test_connections_are_used_again():
    async with asked(*[OK] * 20) as (server, post):
        for _ in range(20):
            await post()
    assert server.connections == 1


async def test_no_more_connections_than_allowed():
    async with asked(*[OK] * 50, most=3) as (server, post):
        assert {each.text for each in await asyncio.gather(*(post() for _ in range(50)))} == {"ok"}
    assert server.connections == 3


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", "ok"),
    ],
)
async def test_every_form_of_an_answer_is_read(answer, text):
    async with asked(answer, OK) as (_, post):
        assert (await post()).text == text
        assert (await post()).text == "ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nok",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n",
    ],
)
async def test_what_is_no_whole_answer_is_an_error_that_may_have_been_sent(answer):
    async with asked(answer, OK) as (_, post):
        with pytest.raises(httpx.TransportError) as caught:
            await post()
        assert not isinstance(caught.value, httpx.ConnectError)
        assert (await post()).text == "ok"


async def test_an_endless_answer_ends(monkeypatch):
    monkeypatch.setattr(quick_http, "MOST_ANSWER_BYTES", 1000)
    async with asked(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 5000) as (_, post):
        with pytest.raises(httpx.ReadError):
            await post()


async def test_an_answer_too_many_is_never_taken_for_the_next():
    async with asked(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", OK) as (server, post):
        assert (await post()).text == "ok"
        await asyncio.sleep(0.05)
        assert (await post()).text == "ok"
    assert server.connections == 2


async def test_a_connection_that_was_given_up_is_not_used_again():
    async with asked(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nol", OK) as (server, post):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await post()
        assert (await post()).text == "ok"
    assert server.connections == 2


async def test_idle_for_too_long_a_connection_is_not_trusted(monkeypatch):
    monkeypatch.setattr(quick_http, "IDLE_S", 0.05)
    async with asked(OK, OK) as (server, post):
        await post()
        await asyncio.sleep(0.1)
        await post()
    assert server.connections == 2


@pytest.mark.parametrize("where", ["name", "value", "path"])
async def test_no_part_of_a_request_can_bring_in_another_line(where):
    evil = "a\r\nY: b"
    headers = {evil: "x"} if where == "name" else {"X": evil} if where == "value" else {}
    async with asked(OK) as (server, _):
        transport = QuickTransport(most_connections=1)
        url = f"http://127.0.0.1:9/{evil if where == 'path' else ''}"
        with pytest.raises((httpx.LocalProtocolError, httpx.InvalidURL)):
            await transport.handle_async_request(httpx.Request("GET", url, headers=headers))
        await transport.aclose()
    assert server.got == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A folder with a key and a certificate for localhost."""
    need(shutil.which("openssl"), "openssl is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    make += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    make += ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(make, check=True, capture_output=True)
    return folder


async def secured(certificate, *, trusted=True, host="localhost", times=1) -> list[str]:
    """Ask a server that encrypts, so many times at once; returns what it said."""
    server = Server(*[OK] * times)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    authorities = certificate / "cert.pem" if trusted else None
    transport = QuickTransport(most_connections=4, tls=ssl.create_default_context(cafile=authorities))
    url = f"https://{host}:{port}/"
    try:
        asked = [transport.handle_async_request(httpx.Request("POST", url)) for _ in range(times)]
        return [answer.text for answer in await asyncio.gather(*asked)]
    finally:
        await transport.aclose()
        listening.close()
        for writer in server.writers:
            writer.close()
        await asyncio.sleep(0.05)


async def test_what_is_encrypted_is_read(certificate):
    assert await secured(certificate, times=40) == ["ok"] * 40


@pytest.mark.parametrize("given", [{"trusted": False}, {"host": "127.0.0.1"}])
async def test_who_cannot_prove_its_name_is_told_nothing(certificate, given):
    with pytest.raises(httpx.ConnectError):
        await secured(certificate, **given)


async def test_the_loop_of_the_service_does_it_too(certificate):
    """The pager and the front run on uvloop."""
    found = await asyncio.to_thread(lambda: uvloop.run(secured(certificate, times=20)))
    assert found == ["ok"] * 20
