"""The clients say the same, take a no for a no, and say a thing twice without having it done twice."""

import asyncio
import threading

import httpx
import pytest
from msgspec import structs

from tests.http.placing import ALLOWED, DENIED, GRANTED, HELD, SHADOWED
from watchkeeper import (
    AsyncClient,
    Client,
    Conflict,
    Denied,
    Expired,
    Forbidden,
    Held,
    Invalid,
    Killed,
    Performed,
    Proposal,
    Replaced,
    Shadowed,
    Unreachable,
    Vetoed,
)
from watchkeeper.sdk.talks import not_allowed

GRANT = Proposal(**GRANTED)
HOLD = Proposal(**GRANTED | {"confidence": 0.5})


@pytest.fixture
def client(service):
    with Client() as made:
        yield made


def test_what_is_granted_may_be_done_and_is_reported(client, captain):
    decision = client.permission(GRANT)
    assert (decision.status, decision.agent, decision.final) == ("granted", "coder-1", True)
    client.report(decision, ok=True, detail="made", cost_usd="0.05")
    found = captain.outcome(decision.decision_id)
    assert (found["ok"], found["detail"]) == (True, "made")


@pytest.mark.parametrize(
    ("wanted", "error"), [(DENIED, Denied), (SHADOWED, Shadowed), (ALLOWED, Performed), (HELD, Held)]
)
def test_everything_but_a_grant_is_an_error_of_its_own(client, wanted, error):
    with pytest.raises(error) as caught:
        client.permission(Proposal(**wanted))
    assert type(caught.value) is error
    assert caught.value.decision.decision_id in str(caught.value)
    assert caught.value.cure


def test_a_denial_names_the_rule_and_a_hold_what_it_waits_for(client):
    with pytest.raises(Denied) as denied:
        client.permission(Proposal(**DENIED))
    assert denied.value.reasons[0].rule
    with pytest.raises(Held) as held:
        client.permission(HOLD)
    assert held.value.waits[0].role


def test_the_same_key_finds_the_same_decision_and_another_proposal_is_refused(client):
    first = client.propose(GRANT, key="a")
    assert client.propose(GRANT, key="a").decision_id == first.decision_id
    with pytest.raises(Conflict, match="another proposal"):
        client.propose(HOLD, key="a")


def test_a_hold_is_waited_for_and_what_people_ask_is_answered(service, captain):
    with Client(on_question=lambda question, _decision: f"because of {question.question}") as client:
        got = []
        waiting = threading.Thread(target=lambda: got.append(client.permission(HOLD, wait_s=600)))
        waiting.start()
        held = captain.held()
        captain.say(f"/v1/decisions/{held}/questions", question="why?")
        while captain.http.get(f"/v1/decisions/{held}").json()["questions"][0]["answer"] is None:
            threading.Event().wait(0.05)
        captain.say(f"/v1/decisions/{held}/approve")
        waiting.join()
    assert [decision.status for decision in got] == ["granted"]
    assert got[0].questions[0].answer == "because of why?"


def test_a_question_that_nobody_answers_is_not_asked_after_without_a_pause(service, captain):
    with Client() as client:
        held = client.propose(HOLD, key="q")
        captain.say(f"/v1/decisions/{held.decision_id}/questions", question="why?")
        sent = []
        send, client._send = client._send, lambda ask: sent.append(ask) or send(ask)
        with pytest.raises(Held):
            client.permission(HOLD, key="q", wait_s=2.0)
    assert len(sent) <= 4


def test_a_veto_or_a_stop_after_the_grant_is_seen_right_before_it_runs(client, captain):
    first, second = client.permission(GRANT), client.permission(GRANT)
    captain.say(f"/v1/decisions/{first.decision_id}/override", word="veto", reason="no")
    with pytest.raises(Vetoed):
        client.confirm(first)
    captain.say("/v1/kill", scope="capability:heal", reason="it runs wild")
    assert client.stops() == ("capability:heal",)
    with pytest.raises(Killed, match="runs wild"):
        client.confirm(second)
    with pytest.raises(Killed):
        client.permission(GRANT)


def test_a_veto_while_it_ran_is_told_when_it_is_reported(client, captain):
    decision = client.permission(GRANT)
    captain.say(f"/v1/decisions/{decision.decision_id}/override", word="veto", reason="no")
    with pytest.raises(Vetoed) as caught:
        client.report(decision, ok=True)
    assert caught.value.ran


def test_both_clients_say_the_same(service):
    async def ask():
        async with AsyncClient() as client:
            await client.heartbeat()
            decision = await client.permission(GRANT, key="both")
            await client.report(decision, ok=True)
            with pytest.raises(Denied):
                await client.permission(Proposal(**DENIED))
            return (
                await client.confirm(decision),
                await client.look(decision.decision_id),
                await client.stops(),
            )

    confirmed, looked, stops = asyncio.run(ask())
    with Client() as client:
        client.heartbeat()
        assert client.look(looked.decision_id) == client.propose(GRANT, key="both") == confirmed == looked
        assert client.stops() == stops == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"args": {"x": float("nan")}}, "finite"),
        ({"args": {"x": object()}}, "cannot be sent"),
        ({"confidence": 2.0}, "confidence"),
        ({"action": "no name"}, "action"),
    ],
)
def test_a_wrong_request_names_the_fault_and_its_cure(client, change, message):
    with pytest.raises(Invalid, match=message) as caught:
        client.propose(Proposal(**GRANTED | change))
    assert caught.value.cure


def test_a_wrong_token_is_forbidden(service):
    with Client(token="wk_wrong") as client, pytest.raises(Forbidden):
        client.propose(GRANT)


def test_an_id_cannot_lead_to_another_address(client):
    with pytest.raises(Invalid):
        client.look("../stops")


def test_nobody_there_means_no(monkeypatch, tmp_path):
    monkeypatch.delenv("WATCHKEEPER_URL", raising=False)
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path))
    for url in (None, "http://127.0.0.1:9"):
        with (
            Client(url=url, token="t", patience_s=0.3) as client,
            pytest.raises(Unreachable, match="no answer"),
        ):
            client.permission(GRANT)


def test_the_address_is_found_on_this_machine_also_when_it_moves(place, monkeypatch):
    monkeypatch.delenv("WATCHKEEPER_URL", raising=False)
    monkeypatch.setenv("WATCHKEEPER_HOME", str(place.layout.home))
    with Client(token=place.token["coder-1"]) as client:
        with place.served():
            first = client.propose(GRANT, key="k")
        with place.served():
            assert client.propose(GRANT, key="k").decision_id == first.decision_id


def test_an_answer_that_was_lost_is_asked_for_again_and_nothing_is_decided_twice(client, captain):
    lost = []
    client.heartbeat()
    real = client._http.request

    def losing(**request):
        answer = real(**request)
        if request["method"] == "POST" and not lost:
            lost.append(answer.json()["decision_id"])
            raise httpx.ReadError("the line broke")
        return answer

    client._http.request = losing
    assert [client.propose(GRANT).decision_id] == lost
    assert len(captain.http.get("/v1/decisions").json()["decisions"]) == 1


@pytest.mark.parametrize(
    "url", ["ftp://x", "127.0.0.1:1", "http://u:p@x", "http://", "http://[x", "https://x:99999"]
)
def test_a_wrong_address_is_refused_at_once(url):
    with pytest.raises(Invalid, match="no address"):
        Client(url=url, token="t")


@pytest.mark.parametrize(
    "url", ["http://10.0.0.5:8765", "http://engine:8765", "http://127.0.0.1.evil.example", "http://0.0.0.0:1"]
)
def test_the_token_goes_to_no_other_machine_in_the_clear_unless_told_so(url, monkeypatch):
    monkeypatch.delenv("WATCHKEEPER_PLAIN_HTTP", raising=False)
    for kind in (Client, AsyncClient):
        with pytest.raises(Invalid, match="in the clear") as refused:
            kind(url=url, token="t")
        assert "WATCHKEEPER_PLAIN_HTTP=1" in refused.value.cure
    monkeypatch.setenv("WATCHKEEPER_PLAIN_HTTP", "0")
    with pytest.raises(Invalid, match="in the clear"):
        Client(url=url, token="t")
    Client(url=url, token="t", plain_http=True)
    monkeypatch.setenv("WATCHKEEPER_PLAIN_HTTP", "1")
    Client(url=url, token="t")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://127.8.8.8:9", "http://[::1]:9", "http://LOCALHOST:9", "https://x"]
)
def test_what_stays_here_or_is_encrypted_needs_no_word_for_it(url):
    Client(url=url, token="t")


def test_a_missing_token_says_how_to_get_one(monkeypatch):
    monkeypatch.delenv("WATCHKEEPER_TOKEN", raising=False)
    with pytest.raises(Forbidden, match="watchkeeper token create"):
        Client(url="http://127.0.0.1:9")


def test_what_a_person_puts_in_its_place_is_told_and_may_be_done_in_that_form(client, captain):
    held = client.propose(HOLD)
    captain.say(f"/v1/decisions/{held.decision_id}/change", args={"body": "c"}, reason="shorter")
    with pytest.raises(Replaced) as replaced:
        client.confirm(client.look(held.decision_id))
    instead = replaced.value.decision.replacement
    assert (instead.by, instead.args, instead.status) == ("cat", {"title": "a", "body": "c"}, "granted")
    assert "replacement" in replaced.value.cure
    new = client.confirm(client.look(instead.decision_id))
    client.report(new, ok=True)
    assert captain.outcome(instead.decision_id)["ok"]


@pytest.mark.parametrize(
    ("status", "error"), [("expired", Expired), ("taken", Replaced), ("who knows", Performed)]
)
def test_a_hold_that_ended_otherwise_is_no_denial_and_no_grant(client, status, error):
    ended = structs.replace(client.propose(HOLD), status=status, final=True)
    told = not_allowed(ended)
    assert type(told) is error
    assert not isinstance(told, Denied)
    assert told.cure
