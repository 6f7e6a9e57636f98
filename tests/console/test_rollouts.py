"""The pages of rollouts: stage, evidence, arms, steps, and buttons that ask the desk; engine or not."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from engine.core.vocabulary import facts as f
from tests.console.axe import axe_source, findings
from tests.console.bridge import Bridge, remembered, watching
from tests.courses import NAME, NEW, Course
from tests.http.placing import ALLOWED

REASON = 'a <b>freeze</b> "today" reason=none'


@pytest.fixture(scope="module")
def course() -> Course:
    made = Course().to("canary_1")
    for number in range(60):
        made.episode(f"canary-{number}", fails=number % 9 == 0)
    made.pause(REASON)
    return made


def with_history(home: Path, course: Course) -> Bridge:
    made = Bridge(home)
    remembered(home, course)
    return made


@pytest.fixture
def climbing(tmp_path: Path, course: Course) -> Iterator[Bridge]:
    """A version is a canary, and held back."""
    made = with_history(tmp_path, course)
    with made.up():
        yield made
    made.close()


def said(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def opened(client: httpx.Client) -> str:
    """Return the page once the journal was read: a busy machine may take more than one look."""
    for _ in range(1_000):
        page = client.get(f"/rollouts/{NAME}")
        assert page.status_code == 200
        if "still being read" not in page.text:
            return page.text
        time.sleep(0.1)
    raise AssertionError("the journal is never read to its end")


def facts(bridge: Bridge, kind: type[f.Fact]) -> list[f.Fact]:
    with bridge.client():
        read = bridge.looking().read()
        return [fact for record in read if isinstance(fact := f.decode(record.body), kind)]


def test_the_list_says_where_each_stands(climbing):
    with climbing.client("vic") as vic:
        page = vic.get("/rollouts")
    assert page.status_code == 200
    assert f'data-open="/rollouts/{NAME}"' in page.text
    assert "heal@1 heal@2" in said(page.text)
    assert "held back" in page.text


def test_a_page_shows_what_decides(climbing):
    with climbing.client("vic") as vic:
        page = opened(vic)
    text = said(page)
    for expected in (
        "1 % is here", "shadow passed", "10 % ahead", "episodes of the canary", "evidence of no harm",
        "evidence of harm", "failures over the limit", "Candidate heal@2", "Incumbent heal@1",
        "heal@2 shadow → canary_1 ann", "They did the same in 90 of 90 episodes (100.0 %)",
    ):  # fmt: skip
        assert expected in text, expected
    assert page.count("<polyline") == 3
    assert "20 takes a step; 22.2 against it rolls back" in text
    assert "a &lt;b&gt;freeze&lt;/b&gt;" in page
    assert "<b>" not in page
    assert " style=" not in page


def test_the_same_is_shown_with_the_engine_away(tmp_path, course):
    made = with_history(tmp_path, course)
    with made.up(engine=False), made.client("cat") as cat:
        listed, page = cat.get("/rollouts"), opened(cat)
        unknown = cat.get("/rollouts/nothing-of-that-name")
    made.close()
    assert "the engine does not answer" in said(listed.text).casefold()
    assert "heal@2" in listed.text
    assert "1 % is here" in said(page)
    assert page.count("<polyline") == 3
    assert "Promote" not in page
    assert unknown.status_code == 404


def test_buttons_are_offered_by_role(climbing):
    offered = {}
    for person in ("vic", "ray", "cat"):
        with climbing.client(person) as client:
            page = opened(client)
            offered[person] = [
                word for word in ("Promote…", "Pause", "Resume:", "Abort…") if f">{word}" in page
            ]
    assert offered == {
        "vic": [],
        "ray": ["Pause", "Resume:"],
        "cat": ["Promote…", "Pause", "Resume:", "Abort…"],
    }


def test_every_press_goes_through_the_desk(climbing):
    with climbing.client("vic") as vic, climbing.client("ray") as ray, climbing.client("cat") as cat:
        page = opened(ray)
        (resume,) = re.findall(r'value="(canary resume [^"]+)"', page)
        line = resume.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"')
        assert "takes a responder" in vic.post("/console/say", data={"line": line}).text
        resumed = ray.post("/console/say", data={"line": line})
        assert "goes on" in resumed.text, said(resumed.text)
        ray.post("/console/say", data={"line": f"canary pause {NAME}", "reason": "a look"})
        assert (
            "takes a captain"
            in ray.post("/console/say", data={"line": f"canary abort {NAME}", "reason": "x"}).text
        )
        asked = cat.post("/console/say", data={"line": f"canary abort {NAME}", "reason": "it errs"})
        assert f"Abort {NEW}?" in asked.text
        assert facts(climbing, f.RolloutAborted) == []
        (yes,) = re.findall(r'value="(yes [^"]+)"', asked.text)
        assert "rolled back" in cat.post("/console/say", data={"line": yes}).text
        page = said(opened(cat))
        assert "1 % rolled back here" in page
        assert "heal@2 canary_1 → rolled_back cat it errs" in page
        assert "Arms when it was rolled back" in page
        assert "What it was rolled back on" in page
    (aborted,) = facts(climbing, f.RolloutAborted)
    assert (aborted.by, aborted.reason) == ("cat", "it errs")
    paused = [(each.by, each.reason) for each in facts(climbing, f.RolloutPaused)]
    assert paused == [("ann", REASON), ("ray", "a look")]


def test_a_capability_nobody_knows_is_not_found(bridge):
    with bridge.client("cat") as cat:
        unknown = cat.get("/rollouts/nobody")
        wrong = cat.get("/rollouts/%2e%2e%20x")
    assert (unknown.status_code, wrong.status_code) == (404, 422)
    assert "no such capability" in unknown.text


def test_one_that_always_was_live_has_a_page(bridge):
    bridge.propose(**ALLOWED)
    with bridge.client("vic") as vic:
        page = opened(vic)
    assert "live is here" in said(page)
    assert "held its authority before" in page


def test_the_picture_of_the_study_is_the_one_in_its_page(bridge):
    with bridge.client("vic") as vic:
        (address,) = re.findall(r'src="([^"]+study-evidence.svg)"', vic.get("/rollouts").text)
        shown = vic.get(address)
    drawn = Path("docs/images/study-evidence.svg").read_bytes()
    assert shown.content == drawn, "make study drew it anew: copy it to bot/web_console/static"
    assert shown.headers["content-type"].startswith("image/svg+xml")


@pytest.mark.asyncio
async def test_a_page_is_for_everybody(climbing, browser, pytestconfig):
    source = axe_source(Path(pytestconfig.cache.mkdir("axe")))
    wrong: list[str] = []
    for options in ({}, {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}):
        async with watching(browser, climbing, "cat", bypass_csp=True, **options) as cat:
            await cat.go(f"/rollouts/{NAME}")
            await cat.page.wait_for_selector("#evidence polyline")
            wrong += await findings(cat.page, source)
            wide = await cat.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            wrong += [f"{wide} pixels too wide"] if wide > 0 else []
    assert wrong == []


@pytest.mark.asyncio
async def test_hands_pause_resume_ask_for_a_step_and_abort_and_others_see_it(climbing, browser):
    async with (
        watching(browser, climbing, "ray") as ray,
        watching(browser, climbing, "cat") as cat,
        watching(browser, climbing, "vic") as vic,
    ):
        for watcher in (ray, cat, vic):
            await watcher.go(f"/rollouts/{NAME}")
            await watcher.page.wait_for_selector("#history td:has-text('canary_1')")
        await ray.press("Pause", within="#standing", reason="the night")
        await vic.shows("#standing", "held back by ray: the night")
        await vic.shows("#history", "the night")
        await ray.press("Resume: the night", within="#standing")
        await vic.page.wait_for_selector("#standing:not(:has-text('held back by ray'))")
        assert [each.by for each in facts(climbing, f.RolloutResumed)] == ["ray"]
        await cat.press("Promote…", within="#standing", reason="I feel lucky")
        await cat.confirm()
        assert [each.by for each in facts(climbing, f.PromotionAsked)][-1] == "cat"
        assert facts(climbing, f.StageChanged)[-1].now == "canary_1", "evidence decides"
        await cat.press("Abort…", within="#standing", reason="it errs")
        await cat.confirm()
        await vic.shows("#history", "it errs")
        await vic.shows("#asked", "What it was rolled back on")
        assert [(each.by, each.reason) for each in facts(climbing, f.RolloutAborted)] == [("cat", "it errs")]
        assert ray.complaints == cat.complaints == vic.complaints == []
