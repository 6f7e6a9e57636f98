"""What systems outside send becomes pages, proposals and series, once each, where it is proven who does."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.events.reading import fits, read, scalar_at
from engine.adapters.events_seen import EventsSeen
from engine.core.vocabulary.escalation_facts import EscalationCleared, EscalationRaised
from engine.core.vocabulary.facts import MetricObserved, ProposalReceived, VerdictReached
from engine.errors import InputError, StorageError
from tests.events.conftest import FILE

pytestmark = pytest.mark.asyncio

FAILED = {"state": "failure", "repo": "web"}


async def test_a_signed_event_pages_and_proposes_once_whatever_comes_again(outside):
    async with outside() as systems:
        first = await systems.send("ci", FAILED, X_GitHub_Event="deployment_status", X_GitHub_Delivery="d-1")
        again = await systems.send("ci", FAILED, X_GitHub_Event="deployment_status", X_GitHub_Delivery="d-1")
        other = await systems.send("ci", FAILED, X_GitHub_Event="deployment_status", X_GitHub_Delivery="d-2")
        assert [answer.status_code for answer in (first, again, other)] == [200] * 3, first.text
        assert first.json()["rules"] == ["failed"]
        assert (again.json()["known"], again.json()["decisions"]) == (1, [])
        assert first.json()["decisions"] != other.json()["decisions"] != []
        (raised,) = systems.facts(EscalationRaised)
        proposals = [fact.proposal for fact in systems.facts(ProposalReceived)]
    assert (raised.severity, raised.summary) == ("critical", "web failed")
    assert [(each.agent, each.action, each.args) for each in proposals] == [
        ("events-ci", "cache.clear", {"service": "web"})
    ] * 2
    assert "deployment_status d-1; rule failed" in proposals[0].rationale


async def test_two_events_whose_ids_begin_alike_for_long_are_two(outside):
    async with outside() as systems:
        for last in ("1", "2", "2"):
            own = "https://example.com/" + "a" * 250 + last
            await systems.send("shop", {"id": own, "kind": "clear", "service": "a", "errors": 0})
        assert len(systems.facts(ProposalReceived)) == 2


async def test_what_is_over_ends_the_page_about_that_thing_and_no_other(outside):
    async with outside() as systems:
        for repo in ("web", "db"):
            await systems.send("ci", FAILED | {"repo": repo}, X_GitHub_Event="deployment_status")
        await systems.send("ci", {"state": "success", "repo": "web"}, X_GitHub_Event="deployment_status")
        assert len(systems.facts(EscalationRaised)) == 2
        (cleared,) = systems.facts(EscalationCleared)
        raised = {fact.summary: fact.escalation_id for fact in systems.facts(EscalationRaised)}
    assert cleared.escalation_id == raised["web failed"]


async def test_a_value_from_outside_that_nobody_trusts_is_asked_about(outside):
    async with outside() as systems:
        trusted = await systems.send("ci", FAILED, X_GitHub_Event="deployment_status")
        doubted = await systems.send(
            "shop", {"id": "1", "kind": "clear", "service": "web-7f3a91c2", "errors": 0}
        )
        assert (trusted.status_code, doubted.status_code) == (200, 200), doubted.text
        words = [fact.verdict.word for fact in systems.facts(VerdictReached)]
    assert words[0] == "allow"
    assert len(words) == 2


async def test_a_number_is_noted_as_a_point_of_its_series(outside):
    async with outside() as systems:
        for number in (1, 2, 2):
            await systems.send("shop", {"id": f"n-{number}", "errors": number * 1.5})
        assert [(fact.series, fact.value) for fact in systems.facts(MetricObserved)] == [
            ("shop/errors", 1.5),
            ("shop/errors", 3.0),
        ]
        wrong = await systems.send("shop", {"id": "x", "errors": "many"})
        missing = await systems.send("shop", {"id": "y"})
        huge = await systems.send("shop", b'{"id": "z", "errors": 1' + b"0" * 400 + b"}")
        beyond = await systems.send("shop", {"id": "w", "errors": -1e141})
        answers = (wrong, missing, huge, beyond)
        assert [answer.json()["unreadable"] for answer in answers] == [["sales"]] * 4
        (raised,) = systems.facts(EscalationRaised)
        assert len(systems.facts(MetricObserved)) == 2
    assert raised.summary == "shop tells less than rule sales needs"
    assert "no number stands there" in raised.evidence[0]


async def test_what_one_rule_lacks_takes_nothing_from_another(outside):
    async with outside() as systems:
        answer = await systems.send("shop", {"id": "1", "kind": "clear", "service": "web"})
        assert (answer.json()["unreadable"], len(answer.json()["decisions"])) == (["sales"], 1)


async def test_an_event_that_comes_again_ends_no_newer_page(outside):
    sent = [("failure", "1"), ("success", "2"), ("failure", "3"), ("success", "2"), ("failure", "1")]
    async with outside() as systems:
        known = [
            (
                await systems.send(
                    "ci",
                    FAILED | {"state": state},
                    X_GitHub_Event="deployment_status",
                    X_GitHub_Delivery=own,
                )
            ).json()["known"]
            for state, own in sent
        ]
        assert known == [0, 0, 0, 1, 1]
        assert len(systems.facts(EscalationCleared)) == 1


async def test_an_event_that_was_not_taken_whole_counts_when_it_comes_again(tmp_path):
    seen = EventsSeen(tmp_path / "seen.db")
    assert seen.new("a", ["1", "2"]) == {"1", "2"}
    seen.note("a", ["1"], 1)
    assert seen.new("a", ["1", "2"]) == {"2"}
    assert seen.new("b", ["1"]) == {"1"}
    seen.close()
    seen = EventsSeen(tmp_path / "seen.db")
    assert seen.new("a", ["1"]) == set()
    seen.note("a", ["3"], 40 * 86_400_000_000)
    assert seen.new("a", ["1"]) == {"1"}, "after a month it is forgotten"
    seen.close()
    (tmp_path / "seen.db").write_bytes(b"no database " * 500)
    with pytest.raises(StorageError):
        seen.new("a", ["1"])
    seen.close()


@pytest.mark.parametrize(
    ("source", "secret", "body"),
    [
        ("ci", "wrong", FAILED),
        ("nobody", "a-secret-of-some-length", FAILED),
        ("ci", "", FAILED),
        ("shop", "x", {}),
    ],
)
async def test_what_is_not_proven_does_nothing_and_learns_nothing(outside, source, secret, body):
    async with outside() as systems:
        refused = await systems.send(source, body, secret=secret, X_GitHub_Event="deployment_status")
        assert (refused.status_code, refused.json()["detail"]) == (
            401,
            "no such source, or no valid signature of it now",
        )
        assert systems.facts(ProposalReceived) == systems.facts(EscalationRaised) == []


async def test_the_secret_before_the_change_counts_too(outside):
    async with outside() as systems:
        answer = await systems.send("ci", FAILED, secret="the-old-secret", X_GitHub_Event="deployment_status")
    assert answer.status_code == 200


async def test_a_token_of_ours_is_no_signature(outside):
    async with outside() as systems:
        token = systems.place.token["cat"]
        refused = await systems.client.post(
            "/v1/events/ci", json=FAILED, headers={"Authorization": f"Bearer {token}"}
        )
    assert refused.status_code == 401


async def test_attributes_that_nothing_signed_are_not_read(outside):
    attributes = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/x", "ce_type": "com.example.low"}
    async with outside() as systems:
        answer = await systems.send("shop", {"id": "1", "errors": 1}, **attributes)
        assert (answer.status_code, "signs the body" in answer.text) == (422, True)
        assert systems.facts(MetricObserved) == []


async def test_cloud_events_come_in_all_three_modes(outside):
    event = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.example.low", "x": "y"}
    async with outside() as systems:
        structured = await systems.send(
            "cloud", event | {"data": {"what": "milk"}}, Content_Type="application/cloudevents+json"
        )
        binary = await systems.send(
            "cloud",
            {"what": "bread"},
            ce_specversion="1.0",
            ce_id="2",
            ce_source="/shop",
            ce_type="com.example.low",
        )
        batch = await systems.send(
            "cloud",
            [event | {"id": str(number), "data": {"what": f"w{number}"}} for number in range(3, 6)],
            Content_Type="application/cloudevents-batch+json",
        )
        assert [each.status_code for each in (structured, binary, batch)] == [200] * 3, (
            structured.text + binary.text
        )
        assert batch.json()["events"] == 3
        raised = systems.facts(EscalationRaised)
    assert [fact.summary for fact in raised] == ["com.example.low of /shop: milk"], (
        "the rest is about the same"
    )


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"specversion": "1.0", "id": "1", "source": "/x"},
        {"specversion": "1.0", "id": "", "source": "/x", "type": "t"},
        {"specversion": "0.3", "id": "1", "source": "/x", "type": "t"},
        {"specversion": "9", "id": "1", "source": "/x", "type": "t"},
        {"specversion": "1.0", "id": 7, "source": "/x", "type": "t"},
        [],
        7,
    ],
)
async def test_what_is_no_cloud_event_is_refused(outside, event):
    async with outside() as systems:
        answer = await systems.send("cloud", event, Content_Type="application/cloudevents+json")
        assert answer.status_code == 422, answer.text
        assert systems.facts(EscalationRaised) == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 5_000, b'{"a": NaN}', b"x" * 100_000])
async def test_what_is_no_json_is_refused(outside, body):
    async with outside() as systems:
        answer = await systems.send("shop", body)
    assert answer.status_code in {413, 422}, answer.text


async def test_with_the_engine_away_it_is_to_be_sent_again(place):
    from bot.http_api.events import Events
    from engine.runtime.client import EngineClient
    from engine.settings.events import EventsFile
    from tests.events.conftest import SECRET, Outside

    events = Events(
        EventsFile.model_validate(FILE),
        lambda _: [SECRET],
        EngineClient(place.layout.socket),
        EventsSeen(place.layout.events),
    )
    async with place.talking(incoming=events) as client:
        answer = await Outside(place, client).send("ci", FAILED, X_GitHub_Event="deployment_status")
        await events.engine.close()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


async def test_a_flood_of_one_source_is_told_to_come_later(outside):
    async with outside() as systems:
        answers = await asyncio.gather(
            *(systems.send("shop", {"id": str(number), "errors": 1}) for number in range(500))
        )
    statuses = [answer.status_code for answer in answers]
    assert 429 in statuses
    assert 200 in statuses


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
async def test_every_plain_value_is_found_by_its_pointer(body):
    def walk(value, pointer):
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, pointer + "/" + key.replace("~", "~0").replace("/", "~1"))
        elif isinstance(value, list):
            for nth, inner in enumerate(value):
                walk(inner, f"{pointer}/{nth}")
        elif value is not None and pointer:
            assert scalar_at(body, pointer) == value

    walk(body, "")


@given(JSON, st.text("ab/~01", max_size=6))
async def test_no_pointer_raises_anything_else(body, pointer):
    with contextlib.suppress(InputError):
        assert isinstance(scalar_at(body, pointer), str | int | float | bool)


async def test_a_value_of_another_kind_does_not_fit():
    (event,) = read({}, b'{"a": 1, "b": "1", "c": true}', signed_id="", id_at=None, id_header=None)
    assert fits(event, "*", {"/a": 1, "/b": "1", "/c": True})
    assert not fits(event, "*", {"/a": "1"})
    assert not fits(event, "*", {"/a": True})
    assert not fits(event, "*", {"/c": 1})
    assert not fits(event, "push", {})
    assert json.dumps(event.body)
