"""The HTTP runner, against real servers on the loopback, polite and rude ones."""

import asyncio
import json
import socket

import pytest

from engine.adapters.http_requests import address_allowed, entry_for, origin_of
from engine.adapters.runner_http import HttpRunner
from engine.core.vocabulary.actions import Parameter
from engine.errors import EffectRefused, OutcomeUnknown, PolicyError, Stopped
from tests.runners.effects import NotingWatch, action
from tests.runners.http_server import http_server, rude_server

TOKEN = "k3y-that-nobody-may-see"
RUNNER = HttpRunner(environment={"WATCHKEEPER_SECRET_TOKEN": TOKEN})


@pytest.fixture
def server():
    with http_server() as running:
        yield running


def act(entry, *names, timeout_s=10, method="GET", path="/", network=None, **settings):
    """An action with these parameters and settings; `path` goes behind the server's address."""
    given = {"url": f"http://{entry}{path}", "method": method, **settings}
    parameters = {name: Parameter(type="any") for name in names}
    listed = (entry,) if network is None else network
    made = action("http.x", "http", given, parameters=parameters, timeout_s=timeout_s, network=listed)
    RUNNER.check(made)
    return made


async def perform(bench, action, effect="d_1", watch=None, runner=RUNNER, **args):
    return await runner.perform(bench.job(action, args, effect=effect, watch=watch))


# ---------------------------------------------------------------- requests are what the template says


@pytest.mark.asyncio
async def test_a_read(bench, server):
    result = await perform(bench, act(server.entry, path="/x?a=1"))
    assert result.success
    assert result.output == '200 OK\n\n{"ok": true}'
    assert server.asked[0][:2] == ("GET", "/x?a=1")
    assert bench.undo.list() == ()


HOSTILE = [
    "a b", "a/b", "../admin", "a?b=c", "a#b", "a&b=c", "a%2Fb", "é✓", "a\r\nX-Evil: 1", "a\0b", "{id}",
    "http://evil.example", "//evil.example", "@evil.example", ";x", "\\",
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("value", HOSTILE)
async def test_an_argument_stays_in_its_place(bench, server, value):
    """Whatever it holds, the server sees one segment, one query value, one field of the body."""
    action = act(
        server.entry, "id", method="POST", path="/items/{id}/x?q={id}&z=1", body={"json": {"id": "{id}"}}
    )
    assert (await perform(bench, action, id=value)).success
    from urllib.parse import unquote

    method, path, headers, body = server.asked[0]
    where, _, query = path.partition("?")
    assert method == "POST"
    assert [unquote(part) for part in where.split("/")] == ["", "items", value, "x"]
    assert [tuple(map(unquote, item.split("="))) for item in query.split("&")] == [("q", value), ("z", "1")]
    assert json.loads(body) == {"id": value}
    assert "X-Evil" not in headers
    assert headers["Host"] == server.entry


@pytest.mark.asyncio
@pytest.mark.parametrize("value", ["", ".", "..", None, [1], {"a": 1}, "\udcff"])
async def test_what_would_change_the_path_is_refused(bench, server, value):
    with pytest.raises(EffectRefused):
        await perform(bench, act(server.entry, "id", path="/items/{id}"), id=value)
    assert server.asked == []


@pytest.mark.asyncio
async def test_bodies(bench, server):
    values = {"a": 'x"}\n&=é', "n": 7, "l": [1, None]}
    for body, kind, sent in (
        (
            {"json": {"a": "{a}", "n": "{n}", "l": "{l}", "no": "{no}", "t": "<{a}>"}},
            "application/json",
            None,
        ),
        ({"form": {"a": "{a}", "n": "{n}", "no": "{no}"}}, "application/x-www-form-urlencoded", None),
        ({"text": "{a}{n}"}, "text/plain; charset=utf-8", 'x"}\n&=é7'.encode()),
    ):
        action = act(server.entry, "a", "n", "l", "no", method="PUT", body=body)
        await perform(bench, action, effect=kind, **values)
        _, _, headers, got = server.asked[-1]
        assert headers["Content-Type"] == kind
        if "json" in body:
            assert json.loads(got) == values | {"t": f"<{values['a']}>"}
        elif "form" in body:
            assert got == b"a=x%22%7D%0A%26%3D%C3%A9&n=7"
        else:
            assert got == sent


@pytest.mark.asyncio
async def test_a_missing_argument_leaves_its_query_item_out(bench, server):
    await perform(bench, act(server.entry, "q", "p", path="/x?q={q}&p={p}"), p="2")
    assert server.asked[0][1] == "/x?p=2"


@pytest.mark.asyncio
async def test_the_environments_proxy_and_netrc_are_not_used(bench, server, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await perform(bench, act(server.entry))).success
    assert "Authorization" not in server.asked[0][2]


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "success"), [(200, True), (204, True), (404, False), (503, False)])
async def test_a_status_decides(bench, server, status, success):
    result = await perform(bench, act(server.entry, path=f"/status/{status}"))
    assert result.success is success
    assert result.output.startswith(str(status))
    listed = act(server.entry, path=f"/status/{status}", success=[404, "5xx"])
    assert (await perform(bench, listed)).success is not success


# ---------------------------------------------------------------- secrets


def with_token(server, **settings):
    headers = {"Authorization": {"secret": "TOKEN", "before": "Bearer "}, "X-Plain": "p"}
    return act(server.entry, headers=headers, path="/echo", **settings)


@pytest.mark.asyncio
async def test_a_secret_reaches_the_server_and_nobody_else(bench, server):
    action = with_token(server, method="POST", body={"json": {}})
    told = await RUNNER.preview(bench.job(action))
    result = await perform(bench, action)
    assert server.asked[0][2]["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" in result.output, "the server sends its headers back"
    assert "Authorization: " in told.output
    kept = b"".join(path.read_bytes() for path in bench.undo._folder.rglob("*") if path.is_file())
    for text in (result.output, result.error, told.output, kept.decode()):
        assert TOKEN not in text


@pytest.mark.asyncio
async def test_a_secret_from_a_file(bench, server, tmp_path):
    (tmp_path / "TOKEN").write_text("from-the-file\n")
    runner = HttpRunner(secrets=tmp_path, environment={})
    await perform(bench, with_token(server), runner=runner)
    assert server.asked[0][2]["Authorization"] == "Bearer from-the-file"


@pytest.mark.asyncio
@pytest.mark.parametrize("value", [None, "", "a\r\nX-Evil: 1", "é"])
async def test_a_secret_that_cannot_be_sent_is_refused(bench, server, value):
    environment = {} if value is None else {"WATCHKEEPER_SECRET_TOKEN": value}
    with pytest.raises(EffectRefused, match="TOKEN") as caught:
        await perform(bench, with_token(server), runner=HttpRunner(environment=environment))
    assert "X-Evil" not in str(caught.value)
    assert server.asked == []


@pytest.mark.asyncio
async def test_a_secret_does_not_go_along_to_another_host(bench, server):
    with http_server() as other:
        headers = {"X-Key": {"secret": "TOKEN"}, "X-Plain": "p"}
        action = act(
            server.entry, "to", headers=headers, path="/to?{to}", network=(server.entry, other.entry)
        )
        # Percent-encoded by us, so the server's redirect has to be written into the template.
        action = act(
            server.entry, headers=headers, path=f"/to?{other.url}/echo", network=(server.entry, other.entry)
        )
        assert (await perform(bench, action)).success
        assert server.asked[0][2]["X-Key"] == TOKEN
        assert "X-Key" not in other.asked[0][2]
        assert other.asked[0][2]["X-Plain"] == "p"


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


# ---------------------------------------------------------------- previews and undo


CREATE = {
    "method": "POST",
    "body": {"json": {"name": "{name}"}},
    "keep": {"id": "/item/id"},
    "inverse": {"method": "DELETE", "url": "", "headers": {"X-Key": {"secret": "TOKEN"}}},
}


def create(server, **changes):
    inverse = CREATE["inverse"] | {"url": f"{server.url}/items/{{id}}?n={{name}}"}
    return act(server.entry, "name", path="/items", **CREATE | {"inverse": inverse} | changes)


@pytest.mark.asyncio
async def test_a_preview_shows_the_request_and_sends_nothing(bench, server):
    told = await RUNNER.preview(bench.job(create(server), {"name": "é"}))
    assert told.output.startswith(f"POST {server.url}/items\nIdempotency-Key: d_1\n")
    assert '{"name": "é"}' in told.output
    assert "to undo it: DELETE" in told.output
    assert server.asked == []
    assert bench.undo.list() == ()


@pytest.mark.asyncio
async def test_undo_sends_the_inverse_with_what_was_kept(bench, server):
    action = create(server)
    assert (await perform(bench, action, name="a b")).success
    assert server.asked[0][2]["Idempotency-Key"] == "d_1"
    assert (await RUNNER.undo(bench.job(action, effect="u_1"), "d_1", force=False)).success
    method, path, headers, _ = server.asked[1]
    assert (method, path) == ("DELETE", "/items/n%2F0?n=a%20b")
    assert headers["X-Key"] == TOKEN
    assert headers["Idempotency-Key"] == "u_1"
    assert server.items == {}
    assert (await RUNNER.undo(bench.job(action, effect="u_2"), "u_1", force=False)).success
    assert server.items == {"u_2": {"name": "a b"}}
    assert (await RUNNER.undo(bench.job(action, effect="u_3"), "u_2", force=False)).success
    assert server.items == {}


@pytest.mark.asyncio
async def test_the_key_lets_the_server_do_it_once(bench, server):
    action = create(server)
    for _ in range(2):
        assert (await perform(bench, action, name="a")).success
    assert server.items == {"d_1": {"name": "a"}}


@pytest.mark.asyncio
async def test_no_inverse_no_undo(bench, server):
    action = act(server.entry, method="POST", body={"json": {}})
    await perform(bench, action)
    with pytest.raises(EffectRefused, match="no inverse"):
        await RUNNER.undo(bench.job(action, effect="u_1"), "d_1", force=False)


@pytest.mark.asyncio
async def test_an_answer_without_the_field_says_so_at_once(bench, server):
    action = create(server, keep={"id": "/nothing/here"})
    result = await perform(bench, action, name="a")
    assert result.success
    assert "cannot be undone: the answer had no id" in result.output
    with pytest.raises(EffectRefused, match="had no id"):
        await RUNNER.undo(bench.job(action, effect="u_1"), "d_1", force=False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "http://{host}/"}, "host is fixed"),
        ({"url": "http://h{id}.example.org/"}, "host is fixed"),
        ({"url": "ftp://x.org/"}, "http"),
        ({"url": "http://other.org/"}, "not in run.network"),
        ({"url": "http://x.org/{nope}"}, "nope"),
        ({"url": "http://x.org/", "method": "CONNECT"}, "CONNECT"),
        ({"url": "http://x.org/", "headers": {"Host": "y"}}, "Host"),
        ({"url": "http://x.org/", "headers": {"A": "b\r\nC: d"}}, "signs"),
        ({"url": "http://x.org/", "headers": {"A b": "c"}}, "'A b'"),
        ({"url": "http://x.org/", "headers": {"A": {"secret": "../x"}}}, "no name for a secret"),
        ({"url": "http://x.org/", "headers": {"A": {"secrets": "x"}}}, "secrets"),
        ({"url": "http://x.org/", "body": {"json": {}, "text": ""}}, "exactly one"),
        ({"url": "http://x.org/", "success": ["2x"]}, "2x"),
        ({"url": "http://x.org/", "success": [99]}, "99"),
        ({"url": "http://x.org/", "keep": {"id": "/id"}}, "already"),
        ({"url": "http://x.org/", "keep": {"a": "id"}}, "JSON pointer"),
        ({"url": "http://x.org/", "inverse": {"method": "DELETE", "url": "http://x.org/{gone}"}}, "gone"),
        ({"url": "http://x.org/", "inverse": {"method": "DELETE", "url": "http://y.org/"}}, "y.org"),
        ({"url": "http://x.org/", "idempotency_header": "a b"}, "idempotency_header"),
        ({"url": "{id}", "headers": {"A": {"secret": "X"}}}, "who gets the secret"),
    ],
)
def test_settings_that_cannot_work_are_found_at_load(settings, said):
    parameters = {name: Parameter(type="string") for name in ("id", "host")}
    made = action("http.x", "http", settings, parameters=parameters, network=("x.org:80", "*:443"))
    with pytest.raises(PolicyError, match=said):
        RUNNER.check(made)
