"""Where HTTP requests may go, and what is made of answers, whole, broken and missing."""

import asyncio
import shutil
import socket
import subprocess

import pytest

from engine.adapters.http_requests import address_allowed, entry_for, origin_of
from engine.adapters.runner_http import HttpRunner
from engine.core.vocabulary.actions import Parameter
from engine.errors import EffectRefused, OutcomeUnknown, Stopped
from tests.needs import need
from tests.runners.effects import NotingWatch, action
from tests.runners.http_actions import RUNNER, act, perform
from tests.runners.http_server import http_server, rude_server

# ---------------------------------------------------------------- where it may go


@pytest.mark.asyncio
async def test_a_whole_url_goes_only_where_the_list_says(bench, server):
    anywhere = action(
        "http.get",
        "http",
        {"url": "{url}"},
        parameters={"url": Parameter(type="url")},
        network=(server.entry,),
    )
    RUNNER.check(anywhere)
    assert (await perform(bench, anywhere, url=f"{server.url}/x?a=b%20c")).success
    assert server.asked[0][1] == "/x?a=b%20c"
    for url in (
        "http://127.0.0.1:1/", f"http://localhost:{server.port}/", f"https://{server.entry}/",
        f"http://user@{server.entry}/", f"http://{server.entry}@evil.example/", "file:///etc/passwd",
        f"http://2130706433:{server.port}/", f"http://[::ffff:127.0.0.1]:{server.port}/", "", "x", 7,
        f"http://{server.entry}\\@evil.example/", f"http://{server.entry} @evil.example/",
        f"http://evil.example\t:{server.port}/", "http://[::1/", f"http://127.0.0.1:{server.port}99/",
    ):  # fmt: skip
        told = await RUNNER.preview(bench.job(anywhere, {"url": url}))
        if not url or not str(url).startswith("https"):
            assert not told.success, url
        try:
            result = await perform(bench, anywhere, url=url)
        except EffectRefused:
            continue
        assert not result.success, url
        assert "nothing was sent" in result.error
    assert len(server.asked) == 1


@pytest.mark.asyncio
async def test_redirects_stay_on_the_list(bench, server):
    with http_server() as other:
        inside = await perform(bench, act(server.entry, path="/to?/echo"))
        assert inside.success
        assert [path for _, path, *_ in server.asked] == ["/to?/echo", "/echo"]
        outside = await perform(bench, act(server.entry, path=f"/to?{other.url}/x"))
        assert not outside.success
        assert "not in run.network" in outside.error
        assert other.asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize("to", ["file:///etc/passwd", "//user@evil.example/", "http://[::1", "javascript:1"])
async def test_redirects_to_what_is_no_plain_url_go_nowhere(bench, server, to):
    try:
        result = await perform(bench, act(server.entry, path=f"/to?{to}"))
    except EffectRefused:
        pass
    else:
        assert not result.success
    assert len(server.asked) == 1


@pytest.mark.asyncio
async def test_redirects_end(bench, server):
    result = await perform(bench, act(server.entry, path="/to?/to?/to?/to?/to?/to?/to?/x"))
    assert not result.success
    assert "more than 5 times" in result.error


@pytest.mark.asyncio
async def test_a_write_is_never_redirected(bench, server):
    result = await perform(bench, act(server.entry, method="POST", path="/to?/echo", body={"json": {}}))
    assert not result.success
    assert "302" in result.error
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("url", "network", "entry"),
    [
        ("https://api.example.org/", ["api.example.org:443"], "api.example.org:443"),
        ("https://API.Example.ORG./", ["api.example.org:443"], "api.example.org:443"),
        ("http://api.example.org/", ["api.example.org:443"], None),
        ("https://a.b.example.org/", ["*.example.org:443"], "*.example.org:443"),
        ("https://example.org/", ["*.example.org:443"], None),
        ("https://evilexample.org/", ["*.example.org:443"], None),
        ("https://x.org/", ["*:443", "x.org:443"], "x.org:443"),
        ("https://x.org:444/", ["*:443"], None),
        ("https://x.org/", [], None),
    ],
)
def test_the_list_is_read_exactly(url, network, entry):
    assert entry_for(origin_of(url), network) == entry


@pytest.mark.parametrize(
    ("address", "host", "entry", "allowed"),
    [
        ("93.184.215.14", "x.org", "*:443", True),
        ("10.0.0.1", "x.org", "*:443", False),
        ("127.0.0.1", "x.org", "*:443", False),
        ("::ffff:10.0.0.1", "x.org", "*:443", False),
        ("fd00::1", "x.org", "*:443", False),
        ("10.0.0.1", "db.internal", "db.internal:443", True),
        ("169.254.169.254", "db.internal", "db.internal:443", False),
        ("127.0.0.1", "api.example.org", "api.example.org:443", False),
        ("::1", "api.example.org", "api.example.org:443", False),
        ("::ffff:127.0.0.1", "api.example.org", "api.example.org:443", False),
        ("127.0.0.1", "localhost", "localhost:443", True),
        ("10.0.0.1", "localhost", "localhost:443", True),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1:443", True),
        ("fe80::1%eth0", "db.internal", "db.internal:443", False),
        ("0.0.0.0", "db.internal", "db.internal:443", False),
        ("169.254.169.254", "169.254.169.254", "169.254.169.254:443", True),
        ("169.254.169.254", "169.254.169.254", "*:443", False),
    ],
)
def test_an_address_is_looked_at(address, host, entry, allowed):
    assert address_allowed(address, origin_of(f"https://{host}/"), entry) is allowed


@pytest.mark.asyncio
async def test_a_name_that_leads_inside_is_refused_under_a_pattern(bench, server):
    action_ = action("http.get", "http", {"url": "{url}"}, network=(f"*:{server.port}",))
    for host in ("localhost", "127.0.0.1", "2130706433", "127.1", "[::1]"):
        try:
            result = await perform(bench, action_, url=f"http://{host}:{server.port}/")
        except EffectRefused as refusal:
            assert "public internet" in str(refusal)  # noqa: PT017 - some systems know no such name
        else:
            assert not result.success
    assert server.asked == []


@pytest.mark.asyncio
async def test_an_exact_name_may_lead_inside(bench, server):
    named = f"localhost:{server.port}"
    assert (await perform(bench, act(named))).success
    assert server.asked[0][2]["Host"] == named


# ---------------------------------------------------------------- answers, and none


@pytest.mark.asyncio
async def test_ten_megabytes_are_cut_while_they_come(bench, server):
    result = await perform(bench, act(server.entry, path="/big", most_bytes=1000))
    assert result.success
    assert len(result.output) < 1100
    assert "the rest was not read" in result.output


READ, WRITE = {"method": "GET"}, {"method": "POST", "body": {"json": {}}}


def close_at_once(connection):
    connection.recv(10_000)
    connection.close()


def half_an_answer(connection):
    connection.recv(10_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    connection.close()


def half_a_head(connection):
    connection.recv(10_000)
    connection.sendall(b"HTTP/1.1 200 O")
    connection.close()


def no_http(connection):
    connection.recv(10_000)
    connection.sendall(b"220 mail.example.org ESMTP\r\n")
    connection.close()


def endless_head(connection):
    connection.recv(10_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(10_000):
        connection.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")


def never(_):
    """Accept, and say nothing."""


@pytest.mark.asyncio
@pytest.mark.parametrize("behave", [close_at_once, half_an_answer, half_a_head, no_http, endless_head, never])
async def test_a_read_without_a_whole_answer_failed(bench, behave):
    with rude_server(behave) as port:
        result = await perform(bench, act(f"127.0.0.1:{port}", timeout_s=0.5, **READ))
    assert not result.success
    assert result.error


@pytest.mark.asyncio
@pytest.mark.parametrize("behave", [close_at_once, half_an_answer, half_a_head, no_http, endless_head, never])
async def test_a_write_without_a_whole_answer_is_unknown(bench, behave):
    with rude_server(behave) as port, pytest.raises(OutcomeUnknown, match=r"it was sent|broke off"):
        await perform(bench, act(f"127.0.0.1:{port}", timeout_s=0.5, **WRITE))
    with pytest.raises(EffectRefused, match="nobody knows"):
        await RUNNER.undo(bench.job(act("127.0.0.1:1", **WRITE), effect="u_1"), "d_1", force=False)


@pytest.mark.asyncio
async def test_what_was_never_sent_has_failed(bench):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    watch = NotingWatch()
    for kind in (READ, WRITE):
        result = await perform(bench, act(f"127.0.0.1:{port}", **kind), watch=watch, effect=kind["method"])
        assert not result.success
        assert "nothing was sent" in result.error
    assert watch.begun == 0
    result = await perform(bench, act("no-such-host.invalid:80", **WRITE), effect="d_3")
    assert "nothing was sent" in result.error


@pytest.mark.asyncio
async def test_plain_text_where_tls_was_asked_for_is_never_sent(bench, server):
    given = {"url": f"https://{server.entry}/", "method": "POST", "body": {"json": {}}}
    result = await perform(bench, action("x", "http", given, network=(server.entry,)))
    assert "nothing was sent" in result.error


@pytest.fixture
def certificate(tmp_path):
    """A certificate for `localhost`, with its key, signed by nobody but itself."""
    need(shutil.which("openssl"), "openssl is not installed")
    key, signed = tmp_path / "key.pem", tmp_path / "signed.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += [
        "-keyout",
        key,
        "-out",
        signed,
        "-subj",
        "/CN=test",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]
    subprocess.run(command, check=True, capture_output=True)
    signed.write_text(signed.read_text() + key.read_text())
    return signed


@pytest.mark.asyncio
async def test_tls_goes_by_the_name_that_was_asked_for(bench, certificate):
    trusting, usual = HttpRunner(authorities=certificate), HttpRunner()
    with http_server(certificate) as server:
        for runner, host, fine in (
            (trusting, "localhost", True),
            (trusting, "127.0.0.1", False),
            (usual, "localhost", False),
        ):
            entry = f"{host}:{server.port}"
            given = {"url": f"https://{entry}/", "method": "POST", "body": {"json": {}}}
            result = await perform(
                bench, action("x", "http", given, network=(entry,)), runner=runner, effect=entry
            )
            assert result.success is fine, result
            assert fine or "nothing was sent" in result.error
        assert len(server.asked) == 1


@pytest.mark.asyncio
async def test_nothing_is_sent_behind_a_stop(bench, server):
    for kind in (READ, WRITE):
        with pytest.raises(Stopped):
            await perform(bench, act(server.entry, **kind), watch=NotingWatch(stopped=True))
    assert server.asked == []


@pytest.mark.asyncio
async def test_the_fence_is_held_only_while_it_is_sent(bench):
    watch = NotingWatch()
    with rude_server(never) as port:
        task = asyncio.ensure_future(perform(bench, act(f"127.0.0.1:{port}", **WRITE), watch=watch))
        while not watch.begun or watch.inside:
            await asyncio.sleep(0.01)
            assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not watch.inside
