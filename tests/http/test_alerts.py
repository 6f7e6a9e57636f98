"""Alerts of an Alertmanager: one incident wakes once, repeats harm nothing, and no label is believed."""

import time

import pytest

from tests.http.waking import ladders

pytestmark = pytest.mark.asyncio
PATH = "/v1/alerts/alertmanager"
RICH = 1 << 20


def alert(fingerprint="0d3a4c2b8e9f1a77", status="firing", severity="critical", **labels):
    return {
        "status": status,
        "labels": {"alertname": "DiskFull", "severity": severity, "instance": "db1"} | labels,
        "annotations": {"summary": "db1 has 2 % left", "description": "since 03:10"},
        "startsAt": "2026-11-27T03:10:00.000Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": fingerprint,
    }


def posted(*alerts, group="{}:{}", **more):
    return {
        "version": "4",
        "groupKey": group,
        "status": "firing",
        "receiver": "watchkeeper",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": list(alerts),
    } | more


@pytest.fixture
def monitor(place):
    """Headers of an Alertmanager: an agent whose token covers alerts and nothing else."""
    text = place.tokens.create(kind="agent", name="alertmanager", capabilities=("alerts",))[1]
    return {"Authorization": f"Bearer {text}"}


async def open_ones(client, place):
    found = await client.get("/v1/escalations", headers=place.bearer("ray"))
    return found.json()["escalations"]


async def test_what_fires_is_raised_in_its_own_words_and_what_is_resolved_ends(place, monitor):
    async with place.engine(ladders=ladders()), place.talking() as client:
        taken = await client.post(PATH, json=posted(alert()), headers=monitor)
        (shown,) = await open_ones(client, place)
        gone = await client.post(PATH, json=posted(alert(status="resolved")), headers=monitor)
        (cleared,) = await open_ones(client, place)
    said = {"firing": 1, "resolved": 0, "quiet": 0, "left_out": 0}
    assert (taken.status_code, taken.json()) == (200, said | {"escalations": [shown["escalation_id"]]})
    assert (shown["kind"], shown["severity"], shown["by"], shown["about"]) == (
        "alert",
        "critical",
        "agent:alertmanager",
        "alert:DiskFull",
    )
    assert (shown["summary"], shown["evidence"]) == (
        "DiskFull: db1 has 2 % left",
        ["since 03:10", "instance=db1"],
    )
    assert (gone.json()["resolved"], cleared["stage"]) == (1, "cleared")


async def test_what_is_sent_again_or_comes_back_wakes_nobody_anew(place, monitor):
    async with place.engine(ladders=ladders()), place.talking() as client:
        for status in ("firing", "firing", "resolved", "resolved", "firing"):
            answer = await client.post(PATH, json=posted(alert(status=status)), headers=monitor)
            assert answer.status_code == 200
        (shown,) = await open_ones(client, place)
    assert (shown["stage"], shown["rung"], shown["ended"]) == ("ringing", 1, None)


async def test_a_thousand_alerts_of_one_group_are_one_escalation(place, monitor):
    many = [alert(f"{number:016x}", instance=f"db{number}") for number in range(1_000)]
    async with place.engine(ladders=ladders()), place.talking(most_body_bytes=RICH) as client:
        began_s = time.perf_counter()
        taken = await client.post(PATH, json=posted(*many), headers=monitor)
        took_s = time.perf_counter() - began_s
        (shown,) = await open_ones(client, place)
        again = await client.post(PATH, json=posted(*many), headers=monitor)
        (same,) = await open_ones(client, place)
        over = [each | {"status": "resolved"} for each in many]
        await client.post(PATH, json=posted(*over[:-1]), headers=monitor)
        (still,) = await open_ones(client, place)
        await client.post(PATH, json=posted(over[-1]), headers=monitor)
        (gone,) = await open_ones(client, place)
    assert (taken.json()["firing"], shown["count"], same["count"]) == (1_000, 1_000, 1_000)
    assert again.status_code == 200
    assert (shown["rung"], still["stage"], gone["stage"]) == (1, "ringing", "cleared")
    assert took_s < 10, "an Alertmanager gives up after about that"


async def test_groups_are_incidents_of_their_own(place, monitor):
    async with place.engine(ladders=ladders()), place.talking() as client:
        for number in range(2):
            body = posted(alert(f"{number:016x}"), group=f"{{}}:{number}")
            await client.post(PATH, json=body, headers=monitor)
        assert len(await open_ones(client, place)) == 2


async def test_no_agent_calls_another_agents_alert_resolved(place, monitor):
    async with place.engine(ladders=ladders()), place.talking() as client:
        await client.post(PATH, json=posted(alert()), headers=monitor)
        body = posted(alert(status="resolved"))
        answer = await client.post(PATH, json=body, headers=place.bearer("coder-1"))
        (shown,) = await open_ones(client, place)
    assert (answer.json()["resolved"], shown["stage"]) == (0, "ringing")


async def test_how_bad_it_is_comes_from_the_label_and_critical_needs_a_token_for_it(place, monitor):
    async with place.engine(ladders=ladders()), place.talking() as client:
        for number, (said, headers) in enumerate(
            [
                ("PAGE ", monitor),
                ("who knows", monitor),
                ("critical", place.bearer("coder-1")),
                ("critical", place.bearer("ray")),
            ]
        ):
            body = posted(alert(f"{number:016x}", severity=said), group=str(number))
            await client.post(PATH, json=body, headers=headers)
        found = [each["severity"] for each in reversed(await open_ones(client, place))]
        quiet = await client.post(PATH, json=posted(alert("9", severity="none"), group="9"), headers=monitor)
        refused = await client.post(PATH, json=posted(alert()), headers=place.bearer("vic"))
    assert found == ["critical", "warning", "warning", "critical"]
    assert (quiet.json()["quiet"], quiet.json()["firing"]) == (1, 0)
    assert refused.status_code == 403


async def test_hostile_text_stays_text_and_odd_alerts_wake_all_the_same(place, monitor):
    odd = [
        {},
        {
            "status": "new-in-v9",
            "labels": {"alertname": "\x1b[31mred\u202e\n" * 99},
            "fingerprint": "../" * 99,
        },
        {
            "labels": {"severity": {"deep": [1]}, "alertname": 7, "instance": None},
            "annotations": {"summary": []},
        },
        {"labels": {"alertname": "d_000000000000000"}, "surprise": True},
    ]
    async with place.engine(ladders=ladders()), place.talking() as client:
        for number, each in enumerate(odd):
            body = posted(each, group=f"g{number}", truncatedAlerts=3, newField={"a": 1})
            answer = await client.post(PATH, json=body, headers=monitor)
            assert (answer.status_code, answer.json()["left_out"]) == (200, 3), answer.text
        found = list(reversed(await open_ones(client, place)))
        ray = place.bearer("ray")
        by_label = await client.post("/v1/escalations/d_000000000000000/take", headers=ray)
    assert [each["summary"][:9] for each in found] == ["an alert ", "[31mred [", "7", "d_0000000"]
    assert all(each["about"].startswith("alert:") and len(each["about"]) < 99 for each in found)
    assert all(text.isprintable() for each in found for text in (each["summary"], *each["evidence"]))
    assert by_label.status_code == 422


async def test_what_is_no_such_message_is_refused(place, monitor):
    async with place.engine(ladders=ladders()), place.talking() as client:
        for body in ({}, {"alerts": "x"}, {"alerts": [1]}, {"alerts": [{"labels": 5}]}, [1]):
            answer = await client.post(PATH, json=body, headers=monitor)
            assert answer.status_code == 422, body


async def test_with_the_engine_away_it_is_to_be_sent_again(place, monitor):
    async with place.talking() as client:
        answer = await client.post(PATH, json=posted(alert()), headers=monitor)
    assert answer.status_code == 503
