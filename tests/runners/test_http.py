"""The HTTP runner, against real servers: requests, secrets, where they may go, and the way back."""

import json

import pytest

from engine.adapters.runner_http import HttpRunner
from engine.core.vocabulary.actions import Parameter
from engine.errors import EffectRefused, PolicyError
from tests.runners.effects import action
from tests.runners.http_actions import RUNNER, TOKEN, act, perform
from tests.runners.http_server import http_server

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
async def test_a_short_secret_is_one_too(bench, server):
    runner = HttpRunner(environment={"WATCHKEEPER_SECRET_TOKEN": "q7"})
    told = await runner.preview(bench.job(with_token(server)))
    result = await perform(bench, with_token(server), runner=runner)
    assert server.asked[0][2]["Authorization"] == "Bearer q7"
    assert "q7" not in told.output + result.output


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
