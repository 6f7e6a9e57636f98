"""Decisions in the console: found by words and filters, and each with its path, its reasons and its proof."""

from __future__ import annotations

import re
import sqlite3

import pytest

from bot.web_console.timeline import ROOM, timeline_of
from engine.core.path import Path as DecisionPath
from engine.core.path import PathStep
from engine.core.vocabulary.chain import link
from engine.core.vocabulary.units import parse_time
from tests.console.bridge import Bridge, watching
from tests.http.placing import ALLOWED, DENIED, HELD


def ids_on(text: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r'class="id" href="/decisions/(d_[0-9a-z]+)"', text)))


def buttons_on(text: str) -> list[str]:
    return re.findall(
        r"<button[^>]*>([^<]+)</button>", text[text.index('id="stands"') : text.index('id="trace"')]
    )


def say(client, line: str, reason: str = "") -> str:
    answer = client.post("/console/say", data={"line": line, "reason": reason}, headers={"X-Console": "part"})
    assert answer.status_code == 200
    return answer.text


def test_the_stream_is_searched_by_words_filters_and_time(bridge):
    full = bridge.propose(**ALLOWED | {"rationale": "the queue of db-7 is full", "episode": "night 12"})
    other = bridge.propose(agent="coder-2", **HELD | {"args": {"service": "shop-window"}})
    denied = bridge.propose(**DENIED)
    ids = [each["decision_id"] for each in (denied, other, full)]
    with bridge.client("vic") as vic:

        def found(**asked: str) -> list[str]:
            answer = vic.get("/decisions", params=asked)
            assert answer.status_code == 200, answer.text
            return ids_on(answer.text)

        assert found() == ids
        assert found(text="queue full") == [ids[2]]
        assert found(text='"night 12"') == [ids[2]]
        assert found(text="shop-win") == [ids[1]]
        assert found(text=ids[0]) == [ids[0]]
        assert found(text="queue shop") == []
        assert found(word="hold") == [ids[1]]
        assert found(agent="coder-1", word="deny") == [ids[0]]
        assert found(capability="heal", action="cache.clear") == ids[1:]
        assert found(since="2000-01-01T00:00", until="2001-01-01T00:00") == []
        assert found(since="2000-01-01T00:00", until="") == ids
        assert vic.get("/decisions", params={"since": "soon"}).status_code == 422
        for beyond in ("0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"):
            assert vic.get("/decisions", params={"until": beyond}).status_code == 422
        offered = vic.get("/decisions").text
        assert re.search(
            r'<datalist id="known-agent"><option value="coder-1"></option><option value="coder-2">', offered
        )


def test_older_decisions_are_a_page_away(bridge):
    made = [bridge.propose(**ALLOWED | {"episode": f"n{number}"})["decision_id"] for number in range(53)][
        ::-1
    ]
    with bridge.client("vic") as vic:
        first = vic.get("/decisions?agent=coder-1").text
        older = re.search(r'<a rel="next" href="([^"]+)">', first)
        assert older is not None
        second = vic.get(older[1].replace("&amp;", "&")).text
    assert ids_on(first) + ids_on(second) == made
    assert 'rel="next"' not in second
    assert '<a href="/decisions?agent=coder-1">Newest</a>' in second


def test_a_decision_shows_its_reasons_and_offers_what_its_viewer_may_do(bridge):
    asked = HELD | {
        "rationale": "it leaks",
        "options": [{"name": "wait", "why_not": "it grows"}, {"name": "clear it"}],
    }
    decision = bridge.propose(**asked)["decision_id"]
    pages = {}
    for person in ("vic", "ray", "cat"):
        with bridge.client(person) as client:
            pages[person] = client.get(f"/decisions/{decision}").text
    assert buttons_on(pages["vic"]) == []
    assert {"Approve", "Change", "Deny", "Ask"} <= set(buttons_on(pages["ray"]))
    assert "Veto" not in buttons_on(pages["ray"])
    assert {"Approve", "Deny", "Veto"} <= set(buttons_on(pages["cat"]))
    page = pages["vic"]
    for text in (
        "it leaks",
        "it grows",
        "&#34;service&#34;: &#34;web&#34;",
        "✓ fits",
        "confidence <strong>0.5</strong>",
    ):
        assert text in page
    assert "✗" not in page


def test_a_bar_beyond_its_limit_is_not_drawn_as_one_within(bridge):
    over = bridge.propose(**ALLOWED | {"confidence": 0.5, "impact": {"files": 20}})["decision_id"]
    with bridge.client("vic") as vic:
        page = vic.get(f"/decisions/{over}").text
    drawn = [dict(re.findall(r'([a-z-]+)="([^"]*)"', tag)) for tag in re.findall(r"<meter[^>]*>", page)]
    bars = {each["aria-label"].partition(",")[0]: each for each in drawn}
    files, sure = bars["files"], bars["confidence"]
    # What is best of all says which side of `low` and `high` is drawn as bad.
    assert float(files["value"]) == float(files["max"]) > float(files["high"]) > float(files["optimum"])
    assert float(sure["value"]) < float(sure["low"]) == float(sure["optimum"])


def test_what_people_say_stands_on_the_page_and_on_the_path(bridge):
    decision = bridge.propose(**HELD)["decision_id"]
    with bridge.client("ray") as ray:
        assert "fits" in ray.get(f"/decisions/{decision}").text
        say(ray, f"ask {decision}", "is it urgent?")
        say(ray, f"deny {decision}", "not tonight <b>")
        page = ray.get(f"/decisions/{decision}").text
    assert "is it urgent?" in page
    assert "not tonight &lt;b&gt;" in page
    assert "<strong>hold ended</strong>" in page
    assert "Approve" not in buttons_on(page)
    # From the proposal to the end of its waiting, in the order of the journal.
    seqs = [int(seq) for seq in re.findall(r'href="#record-(\d+)"', page)]
    assert seqs == sorted(seqs)
    assert len(seqs) >= 5


def test_the_bytes_of_each_record_prove_it(bridge):
    decision = bridge.propose(**HELD)["decision_id"]
    bridge.propose(**ALLOWED)
    with bridge.client("vic") as vic:
        page = vic.get(f"/decisions/{decision}").text
        paths = re.findall(r"/journal/\d+/raw", page)
        assert len(paths) == 2
        for path in paths:
            seq = int(path.split("/")[2])
            (record,) = bridge.journal().read(after=seq - 1, until=seq)
            assert link(record.prev, seq, record.key, vic.get(path).content).hex() in page


def test_an_altered_record_is_shown_as_such_with_the_engine_away(tmp_path):
    made = Bridge(tmp_path)
    with made.up():
        decision = made.propose(**HELD | {"rationale": "harmless"})["decision_id"]
    made.close()
    journal = sqlite3.connect(made.layout.journal)
    journal.execute("DROP TRIGGER journal_no_update")
    journal.execute(
        "UPDATE journal SET body = replace(body, 'harmless', 'harmful!') WHERE body LIKE '%harmless%'"
    )
    journal.commit()
    journal.close()
    again = Bridge(tmp_path)
    with again.up(engine=False), again.client("vic") as vic:
        page = vic.get(f"/decisions/{decision}")
        assert page.status_code == 200
        assert "✗ its bytes do not have its hash" in page.text
        assert ids_on(vic.get("/decisions?text=harmful").text) == [decision]
    again.close()


def test_without_a_place_for_the_index_the_journal_answers(tmp_path):
    made = Bridge(tmp_path)
    made.layout.decisions.mkdir(parents=True)
    with made.up(), made.client("vic") as vic:
        decision = made.propose(**ALLOWED)["decision_id"]
        assert ids_on(vic.get("/decisions?agent=coder-1").text) == [decision]
        assert "Words cannot be searched now" in vic.get("/decisions?text=cache").text
        assert ids_on(vic.get("/").text) == [decision]
    made.close()


@pytest.mark.asyncio
async def test_a_decision_is_denied_by_its_button_and_others_see_it(bridge, browser):
    decision = bridge.propose(**HELD)["decision_id"]
    async with watching(browser, bridge, "ray") as ray, watching(browser, bridge, "vic") as vic:
        for watcher in (ray, vic):
            await watcher.go(f"/decisions/{decision}")
        deny = ray.page.locator("#stands form", has=ray.page.locator("button", has_text="Deny"))
        await deny.locator("input[name=reason]").fill("too risky tonight")
        await deny.locator("button").click()
        await vic.page.wait_for_selector("#people >> text=too risky tonight")
        await vic.page.wait_for_selector("#trace >> text=hold ended")
        assert await vic.page.locator("#trace svg").count() >= 4
        assert (ray.complaints, vic.complaints) == ([], [])


# ---------------------------------------------------------------- the timeline


def step(kind: str, second: float, *steps: PathStep) -> PathStep:
    at = f"2026-01-01T00:00:{second:09.6f}Z"
    return PathStep(seq=1, at=at, kind=kind, by="", what=kind, steps=steps)


def drawn(*steps: PathStep, now: str = "2026-01-01T00:01:00Z", **values: bool):
    path = DecisionPath(decision_id="d", episode="", what="", steps=steps)
    return timeline_of(path, parse_time(now), **values)


def test_bars_begin_and_end_with_what_they_show():
    timeline = drawn(
        step("proposal_received", 0),
        step("verdict_reached", 1, step("gate", 1), step("hold_answered", 4), step("hold_ended", 5)),
        step("effect_started", 6, step("effect_ended", 10)),
        held=True,
    )
    rows = {row.kind: (row.depth, row.left, row.width, row.after, row.took) for row in timeline.rows}
    assert rows == {
        "proposal received": (0, 0, 100, "0 ms", "1 s"),
        "verdict reached": (0, 100, 400, "1 s", "4 s"),
        "hold answered": (1, 400, 6, "4 s", ""),
        "hold ended": (1, 500, 6, "5 s", ""),
        "effect started": (0, 600, 400, "6 s", "4 s"),
        "effect ended": (1, ROOM - 6, 6, "10 s", ""),
    }
    assert timeline.took == "10 s"


def test_what_goes_on_reaches_until_now():
    timeline = drawn(step("proposal_received", 0), step("verdict_reached", 0), held=True, waits=True)
    assert [(row.goes_on, row.left, row.width, row.took) for row in timeline.rows] == [
        (False, 0, 6, ""),
        (True, 0, ROOM, "1 min"),
    ]
    running = drawn(step("verdict_reached", 0), step("effect_started", 30))
    assert [(row.goes_on, row.left, row.width) for row in running.rows] == [(False, 0, 6), (True, 500, 500)]


def test_a_path_of_nothing_is_drawn_as_nothing():
    assert drawn().rows == ()
