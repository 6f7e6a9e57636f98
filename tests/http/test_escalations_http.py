"""Escalations over HTTP: who may have somebody woken, who sees what, and every word once awake."""

import asyncio

import pytest

from tests.http.waking import ladders, roster

pytestmark = pytest.mark.asyncio
BODY = {"summary": "The migration hangs", "evidence": ["no row for 20 min"]}


async def raised(client, who, place, **changes):
    answer = await client.post("/v1/escalations", json=BODY | changes, headers=place.bearer(who))
    assert answer.status_code == 201, answer.text
    return answer.json()["escalation"]


async def test_a_person_has_somebody_woken_and_sees_how_it_stands(place):
    async with place.engine(ladders=ladders()), place.talking("ray") as client:
        made = await raised(client, "ray", place, severity="critical", ladder="other")
        await asyncio.sleep(0.1)
        (shown,) = (await client.get("/v1/escalations")).json()["escalations"]
        by_code = await client.get(f"/v1/escalations/{made['code']}")
    assert (made["by"], made["kind"], made["severity"], made["ladder"]) == (
        "ray",
        "request",
        "critical",
        "other",
    )
    assert (shown["stage"], shown["rung"], shown["woken"], shown["ended"]) == ("ringing", 1, ["ray"], None)
    assert by_code.json() == shown
    assert set(shown["links"]) == {"self", "acknowledge", "take", "snooze", "pass", "hand", "resolve"}


async def test_the_same_key_wakes_nobody_anew_and_another_does(place):
    async with place.engine(ladders=ladders()), place.talking("ray") as client:
        first = await raised(client, "ray", place, key="m-7")
        again = await raised(client, "ray", place, key="m-7", summary="It still hangs")
        other = await raised(client, "ray", place, key="m-8")
    assert (again["escalation_id"], again["count"]) == (first["escalation_id"], 1)
    assert other["escalation_id"] != first["escalation_id"]


async def test_what_one_agent_asks_for_is_one_escalation_under_its_own_name(place):
    async with place.engine(ladders=ladders()), place.talking("coder-1") as client:
        first = await raised(client, "coder-1", place)
        more = await raised(client, "coder-1", place, summary="And something else")
        other = await raised(client, "coder-2", place)
        mine = (await client.get("/v1/escalations")).json()["escalations"]
        hidden = await client.get(f"/v1/escalations/{other['escalation_id']}")
    assert (first["by"], other["by"]) == ("agent:coder-1", "agent:coder-2")
    assert (more["escalation_id"], more["count"]) == (first["escalation_id"], 2)
    assert [each["escalation_id"] for each in mine] == [first["escalation_id"]]
    assert hidden.status_code == 404


async def test_whoever_raised_it_says_that_it_is_over_and_nobody_else_does(place):
    async with place.engine(ladders=ladders()), place.talking("coder-1") as client:
        made = await raised(client, "coder-1", place, key="m-7")
        path = "/v1/escalations/by-key/m-7/clear"
        other = await client.post(path, headers=place.bearer("coder-2"))
        assert (other.status_code, other.json()["escalation"]) == (200, None)
        assert (await client.get(made["links"]["self"])).json()["stage"] == "ringing"
        for _ in range(2):
            mine = await client.post(path, json={"detail": "it went on"})
            assert mine.status_code == 200
        assert (await client.get(made["links"]["self"])).json()["stage"] == "cleared"


async def test_an_agent_chooses_neither_the_worst_nor_a_ladder_and_answers_nothing(place):
    async with place.engine(ladders=ladders()), place.talking("coder-1") as client:
        worst = await client.post("/v1/escalations", json=BODY | {"severity": "critical"})
        chosen = await client.post("/v1/escalations", json=BODY | {"ladder": "other"})
        made = await raised(client, "coder-1", place)
        answer = await client.post(made["links"]["acknowledge"])
        viewer = await client.post("/v1/escalations", json=BODY, headers=place.bearer("vic"))
    assert [worst.status_code, chosen.status_code, answer.status_code, viewer.status_code] == [403] * 4
    assert "warning" in worst.json()["cure"]


async def test_what_is_no_more_than_info_wakes_nobody(place):
    async with place.engine(ladders=ladders()), place.talking("ray") as client:
        answer = await client.post("/v1/escalations", json=BODY | {"severity": "info"})
        assert (await client.get("/v1/escalations")).json()["escalations"] == []
    assert (answer.status_code, answer.json()["detail"]) == (409, "what is no more than info wakes nobody")


async def test_each_word_does_what_it_says(place):
    async with place.engine(ladders=ladders()), place.talking("ray") as client:
        links = (await raised(client, "ray", place))["links"]

        async def say(word, body=None, who="ray"):
            answer = await client.post(links[word], json=body or {}, headers=place.bearer(who))
            assert answer.status_code == 200, answer.text
            return answer.json()["escalation"]

        passed = await say("pass")
        assert (passed["stage"], passed["holder"]) == ("ringing", "")
        had = await say("acknowledge")
        assert (had["stage"], had["holder"]) == ("acknowledged", "ray")
        late = await client.post(links["acknowledge"], headers=place.bearer("cat"))
        assert (late.status_code, "ray has it" in late.json()["detail"]) == (409, True)
        assert (await say("take", who="cat"))["holder"] == "cat"
        snoozed = await say("snooze", {"for_s": 60}, who="cat")
        assert (snoozed["stage"], snoozed["holder"]) == ("snoozed", "cat")
        handed = await say("hand", {"to": "ray"}, who="cat")
        assert handed["stage"] == "ringing"
        over = await say("resolve", {"reason": "mended"})
        assert (over["ended"], set(over["links"])) == ("cancelled", {"self"})
        gone = await client.post(links["take"])
    assert (gone.status_code, "is over" in gone.json()["detail"]) == (409, True)


async def test_what_makes_no_sense_is_refused_with_the_place(place):
    async with place.engine(ladders=ladders()), place.talking("ray") as client:
        links = (await raised(client, "ray", place))["links"]
        answers = [
            await client.post(path, json=body)
            for path, body in (
                ("/v1/escalations", {"summary": " "}),
                ("/v1/escalations", BODY | {"evidence": ["a", "b", "c"]}),
                (links["snooze"], {"for_s": 1}),
                (links["hand"], {}),
                ("/v1/escalations/e_1/take", {}),
            )
        ]
        unknown = await client.post("/v1/escalations/e_000000000000000/take")
        nowhere = await client.post("/v1/escalations", json=BODY | {"ladder": "none"})
        nobody = await client.post(links["hand"], json={"to": "zoe"})
    assert [answer.status_code for answer in answers] == [422] * 5
    assert [unknown.status_code, nowhere.status_code, nobody.status_code] == [404, 409, 409]


async def test_with_the_engine_away_it_is_said_and_may_be_tried_again(place):
    async with place.talking("ray") as client:
        answer = await client.post("/v1/escalations", json=BODY)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


async def test_who_is_on_call_is_shown_changed_and_restored(place):
    async with place.engine(ladders=ladders()), place.talking("vic", roster=roster()) as client:
        before = (await client.get("/v1/on-call")).json()
        body = {"schedule": "primary", "person": "cat"}
        body |= {"since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z", "reason": "leave"}
        refused = await client.post("/v1/on-call/changes", json=body)
        ray = place.bearer("ray")
        changed = await client.post("/v1/on-call/changes", json=body, headers=ray)
        assert changed.status_code == 201, changed.text
        (change,) = changed.json()["changes"]
        assert (changed.json()["schedules"][0]["person"], change["by"], change["reason"]) == (
            "cat",
            "ray",
            "leave",
        )
        restored = await client.delete(change["links"]["self"], headers=ray)
        again = await client.delete(change["links"]["self"], headers=ray)
        past = body | {"until": "2020-01-02T00:00:00Z"}
        over = await client.post("/v1/on-call/changes", json=past, headers=ray)
        stranger = await client.post("/v1/on-call/changes", json=body | {"person": "zoe"}, headers=ray)
    assert before["schedules"] == [
        {"schedule": "primary", "zone": "UTC", "person": "ray", "until": None, "next": ""}
    ]
    assert [each["person"] for each in before["people"]] == ["ray", "cat", "vic"]
    assert refused.status_code == 403
    assert (restored.json()["schedules"][0]["person"], restored.json()["changes"]) == ("ray", [])
    assert [again.status_code, over.status_code, stranger.status_code] == [404, 409, 409]
