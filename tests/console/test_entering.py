"""Who comes into the console, and what nobody may make it do."""

import re
from types import SimpleNamespace

import httpx
import pytest

from bot.http_api import door
from bot.http_api.door import Rate
from bot.web_console import guarding
from bot.web_console.guarding import CONTENT_POLICY
from bot.web_console.sessions import LOGIN_US, Sessions
from engine.adapters.machine_time import now_us
from engine.adapters.token_file import TokenFile
from engine.ports import Stop
from tests.console.bridge import Bridge
from tests.http.placing import HELD
from tests.patience import PATIENCE_S
from tests.service.services import eventually

SAY = "/console/say"
KILL = {"line": "kill-autonomous all a test"}


def test_without_a_session_pages_lead_to_the_login_and_everything_else_is_refused(bridge):
    with bridge.client() as stranger:
        page = stranger.get("/decisions?word=deny")
        assert (page.status_code, page.headers["location"]) == (303, "/login?next=/decisions%3Fword%3Ddeny")
        for answer in (
            stranger.post(SAY, data=KILL),
            stranger.get("/console/live", headers={"Accept": "text/event-stream"}),
            stranger.get("/console/complete?line=k", headers={"X-Console": "part"}),
        ):
            assert answer.status_code == 401
    assert bridge.fence.stops() == ()


def test_strangers_are_told_nothing_of_how_things_are(bridge):
    with bridge.client() as stranger:
        for path in ("/nothing-here", "/v1", "/login"):
            text = stranger.get(path).text
            assert "Autonomy" not in text
            assert "record" not in text


def test_who_keeps_a_page_open_is_not_thereby_at_the_controls(bridge):
    with bridge.client("cat") as cat:
        heard = len(list(bridge.journal().facts("person_seen").records))
        cat.get("/", headers={"X-Console": "live"})
        cat.get("/console/complete?line=k", headers={"X-Console": "part"})
        assert len(list(bridge.journal().facts("person_seen").records)) == heard
        cat.get("/")
        eventually(lambda: len(list(bridge.journal().facts("person_seen").records)) > heard)


def test_a_link_lets_in_once_and_looking_at_it_lets_nobody_in(bridge):
    link = bridge.link("ray")
    with bridge.client() as client:
        for _ in range(3):
            assert "Come in as ray, responder" in client.get(link).text
        key = link.partition("key=")[2]
        entered = client.post("/login", data={"key": key, "next": "/decisions"})
        assert (entered.status_code, entered.headers["location"]) == (303, "/decisions")
        cookie = entered.headers["set-cookie"]
        assert re.search("HttpOnly", cookie)
        assert re.search("SameSite=strict", cookie)
        assert client.get("/").status_code == 200
    with bridge.client() as other:
        again = other.post("/login", data={"key": key})
        assert (again.status_code, "set-cookie" in again.headers) == (403, False)
        assert other.get(link).status_code == 403


def test_a_link_is_good_for_a_quarter_of_an_hour(tmp_path):
    clock = [now_us()]
    sessions = Sessions(TokenFile(tmp_path / "tokens.json", now=lambda: clock[0]))
    key = sessions.invite("cat", "captain")
    clock[0] += LOGIN_US + 10_000_000
    assert sessions.invited(key) is None
    assert sessions.log_in(key) is None


def test_a_login_leads_nowhere_else(bridge):
    for evil in ("//evil.example/", "https://evil.example/", "/\\evil.example", "/login?next=/"):
        with bridge.client() as client:
            key = bridge.link("vic").partition("key=")[2]
            answer = client.post("/login", data={"key": key, "next": evil})
            assert answer.headers["location"] == "/"


def test_a_session_is_no_token_of_the_api_and_a_token_no_session(bridge):
    session = bridge.session("cat")
    refused = httpx.get(
        f"{bridge.url}/v1/status", headers={"Authorization": f"Bearer {session}"}, timeout=PATIENCE_S
    )
    assert refused.status_code == 401
    token = bridge.tokens.create(kind="person", name="cat", role="captain")[1]
    with bridge.client() as client:
        client.cookies.set("watchkeeper", token)
        assert client.get("/").status_code == 303


def test_logging_out_ends_the_session_everywhere(bridge):
    with bridge.client("ray") as client:
        cookie = client.cookies["watchkeeper"]
        assert client.post("/logout").status_code == 303
    with bridge.client() as client:
        client.cookies.set("watchkeeper", cookie)
        assert client.get("/").status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "", "Origin": "http://evil.example"},
        {},
    ],
)
def test_no_other_site_makes_a_browser_press_a_button(bridge, headers):
    with httpx.Client(
        base_url=bridge.url, cookies={"watchkeeper": bridge.session("cat")}, timeout=PATIENCE_S
    ) as client:
        refused = client.post(
            SAY, data=KILL, headers={name: value for name, value in headers.items() if value}
        )
    assert refused.status_code == 403
    assert bridge.fence.stops() == ()


def test_an_old_browser_is_told_by_its_origin(bridge):
    with httpx.Client(
        base_url=bridge.url, cookies={"watchkeeper": bridge.session("cat")}, timeout=PATIENCE_S
    ) as client:
        assert client.post(SAY, data=KILL, headers={"Origin": bridge.url}).status_code == 200
    assert [str(stop.scope) for stop in bridge.fence.stops()] == ["all"]


def test_however_many_pages_were_looked_at_a_session_can_still_stop(tmp_path, monkeypatch):
    monkeypatch.setattr(guarding, "Rate", lambda _most: Rate(3))
    # It is the same second all along.
    monkeypatch.setattr(door, "time", SimpleNamespace(monotonic=lambda: 1.0))
    made = Bridge(tmp_path)
    with made.up(), made.client("cat") as client:
        assert [client.get("/journal").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert client.post(SAY, data=KILL).status_code == 200
        assert [str(stop.scope) for stop in made.fence.stops()] == ["all"]
    made.close()


def test_a_viewer_looks_and_does_nothing(bridge):
    with bridge.client("vic") as client:
        page = client.get("/").text
        assert "Stop everything" not in page
        assert "takes a responder" in client.post(SAY, data=KILL).text
    assert bridge.fence.stops() == ()


def test_a_way_back_is_offered_to_captains_alone(bridge):
    with bridge.client("ray") as ray, bridge.client("cat") as cat:
        ray.post(SAY, data=KILL)
        assert "resume-autonomous all" in cat.get("/journal").text
        assert "resume-autonomous all" not in ray.get("/journal").text
        assert "Captains resume" in ray.get("/journal").text


@pytest.mark.parametrize("reason", ['"rm" is not safe', "“never” again", "reason=none given", "it's \"half"])
def test_a_reason_is_taken_as_it_was_typed(bridge, reason):
    decision = bridge.propose(**HELD)["decision_id"]
    with bridge.client("ray") as client:
        said = client.post(SAY, data={"line": f"deny {decision}", "reason": reason})
    assert 'data-outcome="done"' in said.text
    assert [fact.reason for fact in bridge.facts("hold_answered")] == [reason]


def test_a_button_of_a_command_that_there_is_not_is_refused(bridge):
    with bridge.client("ray") as client:
        said = client.post(SAY, data={"line": "annihilate d_1", "reason": "why not"})
    assert "there is no command /annihilate" in said.text


def test_every_page_carries_the_strictest_policy(bridge):
    with bridge.client("cat") as client:
        for path in ("/", "/decisions", "/decisions/d_none", "/nothing-here", "/login"):
            answer = client.get(path)
            assert answer.headers["content-security-policy"] == CONTENT_POLICY, path
            assert answer.headers["x-frame-options"] == "DENY"
            assert " style=" not in answer.text
            assert " onclick=" not in answer.text
    assert "unsafe" not in CONTENT_POLICY


def test_it_stops_and_shows_with_the_engine_away(tmp_path):
    from tests.console.bridge import Bridge

    alone = Bridge(tmp_path)
    with alone.up(engine=False), alone.client("ray") as client:
        page = client.get("/")
        assert (page.status_code, "The engine does not answer" in page.text) == (200, True)
        said = client.post(SAY, data=KILL | {"key": "one"})
        assert "Stopped: all" in said.text
        assert [stop.by for stop in alone.fence.stops()] == ["ray"]
        assert isinstance(alone.fence.stops()[0], Stop)
    alone.close()


def test_with_the_engine_away_a_stop_shows_at_once(tmp_path):
    from tests.console.bridge import Bridge

    alone = Bridge(tmp_path)
    with alone.up(engine=False), alone.client("cat") as client:
        assert "Stopped: all" not in client.get("/").text
        client.post(SAY, data=KILL)
        assert "Stopped: all" in client.get("/").text
    alone.close()


def test_the_same_press_counts_once_and_two_people_are_two(bridge):
    with bridge.client("cat") as cat, bridge.client("ray") as ray:
        for _ in range(3):
            cat.post(SAY, data={"line": "kill-autonomous agent:coder-1 mine", "key": "k-1"})
        ray.post(SAY, data={"line": "kill-autonomous agent:coder-2 mine", "key": "k-1"})
    assert sorted(str(stop.scope) for stop in bridge.fence.stops()) == ["agent:coder-1", "agent:coder-2"]
