"""Who gets in, how often, and what everything that is refused looks like."""

import asyncio
import json
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.http_api.door import MOST_AT_ONCE
from bot.http_api.outside import current_request
from engine.errors import Unreachable
from tests.http.placing import ALLOWED, GRANTED, Place, calling

METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]
PLAIN = "application/problem+json"


class Absent:
    """An engine that is not there."""

    async def ask(self, request, *, timeout_s=None):
        raise Unreachable("nobody is there")

    async def subscribe(self):
        raise Unreachable("nobody is there")
        yield

    async def close(self):
        pass


def operations(place: Place) -> list[tuple[str, str]]:
    """Every operation of the document, with ids filled in."""
    paths = place.app().openapi()["paths"]
    names = {
        "decision_id": "d_" + "0" * 15,
        "proposal_id": "coder-1:k",
        "capability": "heal@1",
        "episode": "e",
        "nth": 1,
        "escalation_id": "e_" + "0" * 15,
        "change_id": "c1",
        "key": "k",
    }
    return [(method.upper(), path.format(**names)) for path, methods in paths.items() for method in methods]


@pytest.mark.asyncio
@pytest.mark.parametrize("token", [None, "", "wk_aaaaaaaa_" + "a" * 52, "nonsense", "wk__"])
async def test_nothing_is_answered_without_a_token_but_health_and_version(place, token):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    open_to_all = {"/v1/health", "/v1/version"}
    async with calling(place.app(engine=Absent()), headers) as client:
        for method, path in operations(place):
            for content in (None, b"{}", b"not json", b"x" * 5000):
                answer = await client.request(method, path, content=content)
                if path in open_to_all:
                    assert answer.status_code in {200, 503, 413}
                elif content is not None and len(content) > 4096:
                    assert answer.status_code == 413
                else:
                    assert answer.status_code == 401, (method, path)
                    assert answer.headers["www-authenticate"].startswith("Bearer")
                    assert answer.json()["cure"]


@given(
    method=st.sampled_from(METHODS),
    path=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30),
    token=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=80),
)
def test_no_path_below_v1_opens_without_a_token(tmp_path_factory, method, path, token):
    import asyncio

    from engine.adapters.token_file import TokenFile

    place = Place(tmp_path_factory.mktemp("door"), TokenFile(tmp_path_factory.mktemp("none") / "tokens.json"))

    async def ask() -> httpx.Response:
        async with calling(
            place.app(engine=Absent()), {"Authorization": f"Bearer {token.strip()}"}
        ) as client:
            url = httpx.URL("http://localhost").copy_with(raw_path=httpx.URL(f"/v1/{path}").raw_path)
            return await client.request(method, url)

    try:
        httpx.URL(f"/v1/{path}")
    except httpx.InvalidURL:
        return
    answer = asyncio.run(ask())
    if answer.request.url.path not in {"/v1/health", "/v1/version"}:
        assert answer.status_code in {401, 404}


@pytest.mark.asyncio
async def test_a_revoked_token_is_refused_at_once(place):
    async with place.talking("coder-1", engine=Absent()) as client:
        assert (await client.get("/v1/stops")).status_code == 200
        entry = next(one for one in place.tokens.entries() if one.name == "coder-1")
        place.tokens.revoke(entry.id)
        answer = await client.get("/v1/stops")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.asyncio
async def test_a_list_of_tokens_that_others_may_write_lets_nobody_in(place):
    place.layout.tokens.chmod(0o666)
    async with place.talking("cat", engine=Absent()) as client:
        answer = await client.get("/v1/stops")
    assert answer.status_code == 507
    assert "chmod" in answer.json()["cure"]


@pytest.mark.asyncio
async def test_too_many_requests_are_told_when_to_come_back(place):
    async with place.talking("coder-1", engine=Absent(), requests_per_s=3) as client:
        answers = [await client.get("/v1/stops") for _ in range(5)]
        other = await client.get("/v1/stops", headers=place.bearer("coder-2"))
        stopped = await client.post("/v1/kill", json={"scope": "agent:coder-1"})
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert other.status_code == 200, "every token has a count of its own"
    assert stopped.status_code == 200, "whoever called too often can still stop things"


@pytest.mark.asyncio
async def test_requests_that_wait_fill_up_neither_the_server_nor_the_way_to_a_stop(place):
    async with place.engine(), place.talking("coder-1") as client:
        path = "/v1/proposals?wait_s=5"
        waiting = [asyncio.create_task(client.post(path, json=ALLOWED)) for _ in range(MOST_AT_ONCE)]
        for _ in range(50_000):
            await asyncio.sleep(0.01)
            if len(place.journal().tasks.all()) == MOST_AT_ONCE:
                break
        answer = await client.get("/v1/stops")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert (await client.get("/v1/stops", headers=place.bearer("vic"))).status_code == 200
        assert (await client.post("/v1/kill", json={"scope": "agent:coder-1"})).status_code == 200
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (await client.get("/v1/stops")).status_code == 200, "those that are over count no more"


@pytest.mark.asyncio
async def test_a_clock_set_back_keeps_nobody_out(place, monkeypatch):
    async with place.talking("coder-1", engine=Absent(), requests_per_s=2) as client:
        for _ in range(2):
            assert (await client.get("/v1/stops")).status_code == 200
        before = time.time()
        monkeypatch.setattr(time, "time", lambda: before - 3600)
        steady = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: steady + 2)
        assert (await client.get("/v1/stops")).status_code == 200


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1@evil", "", "10.0.0.1:80"]
)
async def test_another_host_is_refused(place, host):
    async with place.talking("cat", engine=Absent()) as client:
        answer = await client.get("/v1/version", headers={"Host": host})
    assert answer.status_code == 421


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:80", "wk.example"])
async def test_its_own_names_are_known(place, host):
    async with place.talking(engine=Absent(), names=["wk.example"]) as client:
        assert (await client.get("/v1/version", headers={"Host": host})).status_code == 200


@pytest.mark.asyncio
async def test_every_answer_carries_its_request_id_and_no_way_in_for_pages(place):
    async with place.talking("cat", engine=Absent()) as client:
        for path in ("/v1/version", "/v1/nowhere", "/v1/status", "/openapi.json"):
            answer = await client.get(path, headers={"Origin": "http://evil.example"})
            assert len(answer.headers["x-request-id"]) == 16
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert not [name for name in answer.headers if name.startswith("access-control")]
            assert "set-cookie" not in answer.headers
        asked = await client.get("/v1/nowhere", headers={"X-Request-Id": "trace-0001"})
    assert asked.headers["x-request-id"] == asked.json()["request_id"] == "trace-0001"


@pytest.mark.asyncio
async def test_every_request_is_logged_with_its_id_and_never_with_its_token(place, caplog):
    import logging

    from bot.http_api.outside import WithRequestId

    caplog.handler.addFilter(WithRequestId())
    with caplog.at_level(logging.INFO, "watchkeeper.http"):
        async with place.talking("cat", engine=Absent()) as client:
            answer = await client.get("/v1/stops?x=secret")
    (record,) = [one for one in caplog.records if one.name == "watchkeeper.http"]
    assert record.request == answer.headers["x-request-id"]
    assert "GET /v1/stops 200" in record.message
    assert "person cat" in record.message
    assert place.token["cat"].split("_")[2] not in record.message
    assert "secret" not in record.message
    assert current_request.get() == "-", "one request's id is not the next one's"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "status"),
    [
        ("GET", "/v1/nowhere", {}, None, 404),
        ("GET", "/v1/decisions/d_000000000000000", {}, None, 503),
        ("DELETE", "/v1/decisions", {}, None, 405),
        ("GET", "/v1/version", {"Accept": "image/png"}, None, 406),
        ("GET", "/v1/version", {"Accept": "application/json;q=0, */*;q=0.1"}, None, 406),
        ("POST", "/v1/kill", {"Content-Type": "text/plain"}, b"{}", 415),
        ("POST", "/v1/kill", {"Content-Type": "application/json; charset=latin-1"}, b"{}", 415),
        ("POST", "/v1/kill", {"Content-Type": "application/json"}, b"{" + b" " * 5000 + b"}", 413),
        ("POST", "/v1/kill", {"Content-Type": "application/json"}, b'{"scope": "everything"}', 422),
        ("POST", "/v1/kill", {"Content-Type": "application/json"}, b'{"scope": NaN}', 422),
        ("POST", "/v1/kill", {"Content-Type": "application/json"}, b"[" * 4000, 422),
        ("POST", "/v1/kill", {"Content-Type": "application/json"}, b'{"reason": "\\ud800"}', 422),
        ("GET", "/v1/decisions?colour=red", {}, None, 422),
        ("POST", "/v1/resume", {"Content-Type": "application/json"}, b'{"reason": "mended"}', 503),
    ],
)  # fmt: skip
async def test_every_refusal_is_a_problem_with_a_cure(place, method, path, headers, content, status):
    async with place.talking("cat", engine=Absent()) as client:
        answer = await client.request(method, path, headers=headers, content=content)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PLAIN
    said = answer.json()
    assert said["status"] == status
    assert said["type"].startswith("urn:watchkeeper:")
    assert all(said[part] for part in ("title", "detail", "cure", "request_id")), said


@pytest.mark.asyncio
async def test_all_faults_of_a_body_are_listed_with_their_pointers(place):
    body = {"action": 1, "impact": {"files": -1}, "options": [{"name": "a"}, {}], "a/b~c": 1}
    async with place.talking("coder-1", engine=Absent()) as client:
        said = (await client.post("/v1/proposals?wait_s=61", json=body)).json()
    assert {(fault["place"], fault["pointer"]) for fault in said["faults"]} == {
        ("body", "/action"),
        ("body", "/capability"),
        ("body", "/impact/files"),
        ("body", "/options/1/name"),
        ("body", "/a~1b~0c"),
        ("query", "/wait_s"),
    }


@pytest.mark.asyncio
async def test_a_bug_is_answered_without_its_inside(place, monkeypatch):
    def broken():
        raise RuntimeError("secret")

    monkeypatch.setattr(place.fence, "stops", broken)
    async with place.talking("cat", engine=Absent()) as client:
        answer = await client.get("/v1/stops")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.asyncio
@pytest.mark.parametrize("who", ["vic", "coder-1"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/kill", {"scope": "all"}),
        ("/v1/resume", {"scope": "all", "reason": "r"}),
        ("/v1/capabilities/heal@1/promote", {"reason": "r"}),
        ("/v1/capabilities/heal@1/abort", {"reason": "r"}),
        ("/v1/snapshots", None),
        ("/v1/decisions/d_000000000000000/undo", None),
    ],
)
async def test_the_override_is_for_people_of_the_right_role(place, who, path, body):
    async with place.talking(who, engine=Absent()) as client:
        answer = await client.post(path, json=body) if body else await client.post(path)
    assert answer.status_code == 403
    assert place.fence.stops() == ()


@pytest.mark.asyncio
async def test_who_may_not_is_told_before_what_is_wrong(place):
    async with place.talking("vic", engine=Absent()) as client:
        answer = await client.post(
            "/v1/resume", content=json.dumps({"x": 1}), headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 403


@pytest.mark.asyncio
async def test_a_person_is_seen_at_most_once_a_minute(place):
    async with place.engine() as live, place.talking("vic") as client:
        for _ in range(5):
            await client.get("/v1/status")
        seen = [one for one in live.intake.journal.read() if b'"fact":"person_seen"' in one.body]
    assert len(seen) == 1
    assert b'"role":"viewer"' in seen[0].body


@pytest.mark.asyncio
async def test_the_document_describes_every_route_and_every_schema_it_names(place):
    document = place.app().openapi()
    text = json.dumps(document)
    named = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= document["components"]["schemas"].keys()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["operationId"], (method, path)
    assert GRANTED["action"] not in text
