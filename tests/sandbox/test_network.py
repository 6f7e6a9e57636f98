"""A declared host is reached through our proxy, and nothing else is, by whatever way it is asked for."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.adapters import sandbox_network
from engine.adapters.sandbox_network import network_for, parse_host
from engine.errors import EffectRefused
from engine.ports import Program
from tests.sandbox.machines import LIMITS, Machine

FETCH = """
import sys, urllib.request, urllib.error
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())
except urllib.error.HTTPError as error:
    print("refused", error.code, error.read().decode())
except Exception as error:
    print("failed", error)
"""
DIRECT = """
import socket, sys
s = socket.socket(); s.settimeout(2)
print(s.connect_ex(("127.0.0.1", int(sys.argv[1]))))
"""


@contextlib.asynccontextmanager
async def site(answer: str) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve one page on the host's loopback, and note the requests."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()


async def fetch(machine: Machine, url: str, *allowed: str) -> str:
    """Fetch a page from within."""
    argv = (machine.sandbox.python, "-c", FETCH, url)
    ended = await machine.run(*argv, network=allowed)
    assert ended.errors == ""
    return ended.output


@pytest.mark.asyncio
async def test_a_declared_host_is_reached_and_no_other(machine: Machine) -> None:
    async with site("welcome") as (port, asked), site("the neighbour") as (other, unasked):
        allowed = f"127.0.0.1:{port}"
        assert await fetch(machine, f"http://127.0.0.1:{port}/page?x=1", allowed) == "welcome\n"
        assert "not among the hosts" in await fetch(machine, f"http://127.0.0.1:{other}/", allowed)
        assert "not among the hosts" in await fetch(machine, f"http://localhost:{port}/", allowed)
        assert asked[0].startswith("GET /page?x=1 HTTP/1.1\r\n")
        assert f"Host: 127.0.0.1:{port}\r\n" in asked[0]
        assert len(asked) == 1
        assert unasked == []


@pytest.mark.asyncio
async def test_past_the_proxy_there_is_no_way(machine: Machine) -> None:
    async with site("welcome") as (port, asked):
        argv = (machine.sandbox.python, "-c", DIRECT, str(port))
        ended = await machine.run(*argv, network=(f"127.0.0.1:{port}",))
        assert ended.output != "0\n"
        assert asked == []


@pytest.mark.asyncio
async def test_a_tunnel_leads_to_a_declared_host_and_to_no_other(machine: Machine) -> None:
    script = """
import os, socket, sys
s = socket.create_connection(("127.0.0.1", int(os.environ["https_proxy"].rpartition(":")[2])))
s.sendall(b"CONNECT 127.0.0.1:%s HTTP/1.1\\r\\n\\r\\n" % sys.argv[1].encode())
answer = s.recv(100)
print(answer.split(b"\\r\\n")[0].decode())
if b" 200 " in answer:
    s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print(b"".join(iter(lambda: s.recv(1000), b"")).rpartition(b"\\r\\n")[2].decode())
"""
    async with site("by tunnel") as (port, _asked):
        for target, said in (
            (port, "HTTP/1.1 200 Connection established\nby tunnel\n"),
            (1, "HTTP/1.1 403 Forbidden\n"),
        ):
            argv = (machine.sandbox.python, "-c", script, str(target))
            ended = await machine.run(*argv, network=(f"127.0.0.1:{port}",))
            assert ended.output == said


@pytest.mark.asyncio
async def test_the_door_is_gone_afterwards(machine: Machine) -> None:
    async with site("welcome") as (port, _asked):
        await fetch(machine, f"http://127.0.0.1:{port}/", f"127.0.0.1:{port}")
    assert list(machine.home.iterdir()) == []


@pytest.mark.asyncio
async def test_a_program_keeps_its_exit_status_behind_the_relay(machine: Machine) -> None:
    ended = await machine.sh("cat; exit 7", stdin=b"input", network=("example.com:443",))
    assert (ended.why, ended.status, ended.output) == ("exited", 7, "input")


@pytest.mark.slow
@pytest.mark.xdist_group("docker")
@pytest.mark.asyncio
async def test_an_image_without_python_refuses_a_list_of_hosts(tmp_path: Path, docker_engine) -> None:
    from engine.adapters.sandbox_docker import DockerSandbox
    from tests.sandbox.machines import NotedWatch

    home, workspace = tmp_path / "home", tmp_path / "workspace"
    home.mkdir()
    workspace.mkdir()
    sandbox = DockerSandbox(home=home, image=docker_engine.image, url=docker_engine.url)
    program = Program(
        effect_id="e", argv=("true",), workspace=workspace, network=("example.com:443",), limits=LIMITS
    )
    with pytest.raises(EffectRefused, match="no python3"):
        await sandbox.run(program, NotedWatch())
    assert docker_engine.client.containers.list(all=True) == []
    sandbox.close()


@pytest.mark.parametrize(
    ("entry", "read"),
    [
        ("api.example.com:443", ("api.example.com", 443)),
        ("API.Example.com.:80", ("api.example.com", 80)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_an_entry_is_a_host_and_a_port(entry: str, read: tuple[str, int]) -> None:
    assert parse_host(entry) == read


@pytest.mark.parametrize("entry", ["example.com", ":443", "example.com:", "example.com:0", "x:99999", "x:4a"])
def test_anything_else_is_refused(entry: str) -> None:
    with pytest.raises(EffectRefused):
        parse_host(entry)


@pytest.mark.asyncio
@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "::ffff:a9fe:a9fe"])
async def test_a_name_may_not_lead_back_to_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    async with site("our own API") as (port, asked):
        loop = asyncio.get_running_loop()

        async def lookup(host: str, port: int, **_: object) -> list[tuple]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port))]

        monkeypatch.setattr(loop, "getaddrinfo", lookup)
        said = await asked_of_proxy(
            tmp_path, f"GET http://rebound.example:{port}/ HTTP/1.1", f"rebound.example:{port}"
        )
        assert said.startswith("HTTP/1.1 403 Forbidden")
        assert "belongs to this machine" in said
        assert asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "line",
    [
        "GET / HTTP/1.1",
        "GET ftp://example.com/ HTTP/1.1",
        "CONNECT example.com HTTP/1.1",
        "GET http://example.com:x/ HTTP/1.1",
        "GET http://allowed.example@example.com/ HTTP/1.1",
        "GET http://example.com#allowed.example:80/ HTTP/1.1",
        "nonsense",
    ],
)
async def test_what_is_not_clearly_a_declared_host_is_forbidden(line: str, tmp_path: Path) -> None:
    said = await asked_of_proxy(tmp_path, line, "allowed.example:80")
    assert said.startswith("HTTP/1.1 403 Forbidden")


@pytest.mark.asyncio
async def test_a_program_cannot_use_up_our_descriptors(tmp_path: Path) -> None:
    program = Program(effect_id="e", argv=("true",), workspace=tmp_path, network=("x.org:80",), limits=LIMITS)
    async with network_for(program, "python3", 65534, tmp_path) as (_argv, _environment, door):
        before = len(list(Path("/proc/self/fd").iterdir()))
        opened = [await asyncio.open_unix_connection(door / sandbox_network.SOCKET) for _ in range(200)]
        await asyncio.sleep(0.2)
        ours = len(list(Path("/proc/self/fd").iterdir())) - before - 200
        for _reader, writer in opened:
            writer.close()
    assert ours <= sandbox_network._MOST_CONNECTIONS


async def asked_of_proxy(home: Path, line: str, *allowed: str) -> str:
    """Say one request line to the proxy, as the relay would, and return its answer."""
    program = Program(effect_id="e", argv=("true",), workspace=home, network=allowed, limits=LIMITS)
    async with network_for(program, "python3", 65534, home) as (_argv, _environment, door):
        reader, writer = await asyncio.open_unix_connection(door / sandbox_network.SOCKET)
        writer.write(f"{line}\r\n\r\n".encode())
        said = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        return said
