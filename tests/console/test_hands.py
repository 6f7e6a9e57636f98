"""What hands do at the console: every button of a page, pressed in a real browser.

Each press is looked for where it counts, in the journal or at the fence, and on the screens of others.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import pytest_asyncio
from playwright.async_api import expect

from engine.adapters.link_file import LinkFile
from tests.console.bridge import PEOPLE, watching
from tests.console.crew import crewed
from tests.http.placing import ALLOWED, HELD, worker
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
LARGE = ALLOWED | {"impact": {"files": 6}}
"""Waits for votes."""
SHOP = "#escalations article:has-text('the shop')"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One place for all of it, with people and ladders."""
    with crewed(tmp_path_factory.mktemp("hands")) as bridge:
        yield bridge


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crew(place, shared_browser):
    """Everybody at a browser of their own."""
    async with contextlib.AsyncExitStack() as stack:
        yield {
            person: await stack.enter_async_context(watching(shared_browser, place, person))
            for person in PEOPLE
        }


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def quiet(crew):
    """No browser complains of anything, whatever is done."""
    yield
    said = {person: list(watcher.complaints) for person, watcher in crew.items() if watcher.complaints}
    for watcher in crew.values():
        watcher.complaints.clear()
    assert said == {}


# ---------------------------------------------------------------- one decision


@pytest.mark.parametrize(
    ("wanted", "person", "label", "given", "tag", "part", "text"),
    [
        (HELD, "ray", "Approve", {}, "hold_answered", "#stands", "queued"),
        (HELD, "ray", "Deny", {"reason": "not <b>now</b>"}, "hold_answered", "#people", "not <b>now</b>"),
        (HELD, "ray", "Ask", {"reason": "is it urgent?"}, "question_asked", "#stands", "is it urgent?"),
        (HELD, "ray", "Change", {"reason": "service=shop that one"}, "hold_ended", "#stands", "In its place"),
        (HELD, "cat", "Veto", {"reason": "never that"}, "decision_overridden", "#people", "never that"),
        (LARGE, "ray", "Vote for", {}, "vote_cast", "#stands", "1 for"),
        (LARGE, "cat", "Vote against", {"reason": "too many"}, "vote_cast", "#stands", "too many"),
        ("done", "ray", "Undo", {}, "undo_requested", "#stands", "asked by ray"),
        ("done", "ray", "Useful", {}, "decision_rated", "#stands", "useful"),
        ("done", "cat", "Wrong", {"reason": "it hid a leak"}, "decision_rated", "#stands", "it hid a leak"),
        ("done", "ray", "Late", {}, "decision_rated", "#stands", "Rated"),
    ],
)  # fmt: skip
async def test_a_button_of_a_decision_counts_and_is_seen(
    place, crew, wanted, person, label, given, tag, part, text
):
    decision = place.propose(**(ALLOWED if wanted == "done" else wanted))["decision_id"]
    if wanted == "done":
        await asyncio.to_thread(worker, place)
    at_it, vic = crew[person], crew["vic"]
    for watcher in (at_it, vic):
        await watcher.go(f"/decisions/{decision}")
    at_it.accept_dialogs()
    said = await at_it.press(label, within="#stands", **given)
    if tag in {"decision_overridden", "undo_requested"}:
        said = await at_it.confirm()
    fact = next((fact for fact in place.facts(tag)[::-1] if fact.decision_id == decision), None)
    assert fact is not None, said
    who = fact.voter if tag == "vote_cast" else fact.by
    assert person in ([who] if isinstance(who, str) else who)
    for watcher in (at_it, vic):
        await watcher.shows(part, text)
    if label in {"Approve", "Undo"}:
        await asyncio.to_thread(worker, place)
        await vic.shows("#stands", "done")


async def test_of_an_approval_and_a_denial_at_once_one_counts_and_both_are_told(place, crew):
    decision = place.propose(**HELD)["decision_id"]
    ray, cat, vic = crew["ray"], crew["cat"], crew["vic"]
    for watcher in (ray, cat, vic):
        await watcher.go(f"/decisions/{decision}")
    answers = await asyncio.gather(
        ray.press("Approve", within="#stands"), cat.press("Deny", within="#stands", reason="it is mine")
    )
    (ended,) = [fact for fact in place.facts("hold_ended") if fact.decision_id == decision]
    assert ended.how in {"approved", "denied"}
    winner, loser = ("ray", answers[1]) if ended.how == "approved" else ("cat", answers[0])
    assert ended.by == (winner,)
    assert winner in loser, "who came second is told who was first"
    for watcher in (ray, cat, vic):
        await watcher.shows("#stands", f"{ended.how} by {winner}")
        assert await watcher.page.locator("#stands button", has_text="Approve").count() == 0
    if ended.how == "approved":
        await asyncio.to_thread(worker, place)


async def test_what_was_typed_stays_while_the_page_is_kept_up_to_date(place, crew):
    decision = place.propose(**HELD)["decision_id"]
    ray, cat = crew["ray"], crew["cat"]
    for watcher in (ray, cat):
        await watcher.go(f"/decisions/{decision}")
    field = ray.form("Deny", "#stands").locator("input[name=reason]")
    await field.fill("half a sente")
    await field.evaluate("field => field.setSelectionRange(4, 4)")
    await cat.press("Ask", within="#stands", reason="first question")
    await ray.shows("#stands", "first question")
    await ray.page.keyboard.type("!")
    assert await field.input_value() == "half! a sente"
    # Its button has the focus now, and the words are still there.
    await ray.page.keyboard.press("Tab")
    await cat.press("Ask", within="#stands", reason="second question")
    await ray.shows("#stands", "second question")
    assert await field.input_value() == "half! a sente"
    await ray.page.keyboard.press("Enter")
    await ray.shows("#people", "half! a sente")
    assert place.facts("hold_answered")[-1].reason == "half! a sente"


async def test_the_row_that_was_chosen_stays_chosen_when_others_come(place, crew):
    chosen = place.propose(**HELD)["decision_id"]
    ray = crew["ray"]
    await ray.go("/decisions")
    await ray.page.wait_for_selector(f"tr[data-open='/decisions/{chosen}']")
    await ray.page.keyboard.press("j")
    newer = place.propose(**HELD)["decision_id"]
    await ray.page.wait_for_selector(f"tr[data-open='/decisions/{newer}']")
    await ray.page.keyboard.press("Enter")
    await ray.page.wait_for_url(f"**/decisions/{chosen}")


# ---------------------------------------------------------------- stopping


async def test_a_stop_is_on_all_screens_and_a_captain_lifts_it(place, crew):
    ray, cat, vic = crew["ray"], crew["cat"], crew["vic"]
    await ray.go("/")
    await cat.go("/decisions")
    await vic.go("/journal")
    await ray.page.locator("button.kill").hover()
    await ray.page.mouse.down()
    await ray.page.wait_for_selector("#said .reply h2")
    await ray.page.mouse.up()
    assert [(str(stop.scope), stop.by) for stop in place.fence.stops()] == [("all", "ray")]
    for watcher in (ray, cat, vic):
        await watcher.shows("#state", "Autonomy is stopped")
    await cat.press("Resume…", within="header", reason="it was a drill")
    await cat.confirm()
    for watcher in (ray, cat, vic):
        await watcher.shows("#state", "Autonomy is on")
    assert place.fence.stops() == ()
    assert place.facts("kill_switch_cleared")[-1].by == "cat"


async def test_holding_works_while_the_page_changes_under_the_hand(place, crew):
    ray, cat = crew["ray"], crew["cat"]

    async def longer(route):
        """Have the button ask for ten minutes, in the page and in each new look at it."""
        answer = await route.fetch()
        page = await answer.text()
        await route.fulfill(response=answer, body=page.replace('data-hold="900"', 'data-hold="600000"'))

    await ray.page.route(place.url + "/", longer)
    await ray.go("/")
    await ray.page.locator("button.kill[data-hold='600000']").hover()
    await ray.page.mouse.down()
    await ray.page.evaluate("kill = document.querySelector('button.kill.holding')")
    decision = place.propose(**HELD)["decision_id"]
    await ray.shows("#newest", decision)
    # What is above it grows, and moves it away from under the pointer.
    await ray.page.evaluate("kill.style.position = 'relative'; kill.style.top = '300px'")
    await ray.page.mouse.move(1, 1)
    assert await ray.page.evaluate("kill.isConnected && kill.classList.contains('holding')")
    await ray.page.mouse.up()
    assert not await ray.page.evaluate("kill.classList.contains('holding')")
    assert place.fence.stops() == ()
    await ray.page.unroute(place.url + "/")
    # By the keyboard, on a page that changes all the time.
    await ray.go("/")
    await ray.page.focus("button.kill")
    await ray.page.keyboard.down("Enter")
    while not place.fence.stops():
        place.propose(**HELD)
        await asyncio.sleep(0.1)
    await ray.page.keyboard.up("Enter")
    await cat.go("/")
    await cat.press("Resume", within="#troubles", reason="on we go")
    await cat.confirm()
    await ray.shows("#state", "Autonomy is on")


async def test_what_wakes_people_is_taken_passed_on_and_ended(place, crew):
    ray, vic = crew["ray"], crew["vic"]
    for watcher in (ray, vic):
        await watcher.go("/")
    await ray.say("page critical the shop <i>is</i> down")
    await vic.shows("#escalations", "the shop <i>is</i> down")
    assert await vic.page.locator(f"{SHOP} button").count() == 0
    await ray.press("Next person", within=SHOP)
    assert place.facts("escalation_passed")[-1].by == "ray"
    await ray.press("I have it", within=SHOP)
    assert place.facts("escalation_acknowledged")[-1].by == "ray"
    await vic.shows("#escalations", "ray has it")
    await ray.press("It is over", within=SHOP, reason="a cable")
    await expect(vic.page.locator(SHOP)).to_have_count(0)
    assert place.facts("escalation_ended")[-1].by == "ray"


async def test_an_agent_is_stopped_and_let_go_on(place, crew):
    ray, cat, vic = crew["ray"], crew["cat"], crew["vic"]
    place.propose("coder-2", **HELD)
    await ray.go("/agents/coder-2")
    await cat.go("/agents")
    await vic.go("/agents")
    ray.accept_dialogs()
    await ray.press("Stop coder-2")
    assert [str(stop.scope) for stop in place.fence.stops()] == ["agent:coder-2"]
    await vic.shows("#agents", "stopped")
    await vic.shows("#state", "Stopped: agent:coder-2")
    await cat.press("Resume…", within="#agents", reason="it is mended")
    await cat.confirm()
    await vic.shows("#state", "Autonomy is on")
    assert place.fence.stops() == ()


# ---------------------------------------------------------------- people, snapshots


async def test_who_is_on_call_is_changed_and_changed_back(place, crew):
    ray, vic = crew["ray"], crew["vic"]
    for watcher in (ray, vic):
        await watcher.go("/people")
    await ray.press("Cover", with_schedule="primary", with_person="cat", reason="for 2h")
    assert place.facts("on_call_changed")[-1].by == "ray"
    await vic.page.wait_for_selector("#oncall .change")
    change = place.facts("on_call_changed")[-1].change_id
    await ray.press(f"Take {change} back", within="#oncall")
    assert place.facts("on_call_restored")[-1].by == "ray"
    await expect(vic.page.locator("#oncall .change")).to_have_count(0)
    await ray.press("Show the swap", with_schedule="primary", with_person="cat")
    await ray.confirm()
    await expect(vic.page.locator("#oncall .change")).to_have_count(2)


async def test_a_drill_rings_and_ends_when_it_is_answered(place, crew):
    ray, vic = crew["ray"], crew["vic"]
    await ray.go("/people/ladders")
    await ray.press("Ring by-phone as a drill…")
    await ray.confirm()
    drill = place.facts("escalation_raised")[-1]
    assert drill.kind == "drill"
    for watcher in (ray, vic):
        await watcher.go(f"/people/escalations/{drill.escalation_id}")
    await ray.press("I have it", within="#stands")
    await vic.shows("#story", "ray has it")
    assert place.facts("escalation_acknowledged")[-1].escalation_id == drill.escalation_id
    await vic.shows("#stands", "It has ended: ray has it")


async def test_an_escalation_is_put_off_handed_over_and_ended_on_its_page(place, crew):
    ray, vic = crew["ray"], crew["vic"]
    await ray.go("/people/escalations")
    await ray.say("page critical the till is stuck")
    raised = place.facts("escalation_raised")[-1]
    for watcher in (ray, vic):
        await watcher.go(f"/people/escalations/{raised.escalation_id}")
    await ray.press("I have it", within="#stands")
    await vic.shows("#stands", "ray has it")
    await ray.press("Remind me in 30 minutes", within="#stands")
    assert place.facts("escalation_snoozed")[-1].by == "ray"
    await ray.press("Hand over", within="#stands", reason="cat")
    assert place.facts("escalation_handed")[-1].by == "ray"
    await vic.shows("#story", "cat")
    await ray.press("It is over", within="#stands", reason="it was a coin")
    await vic.shows("#stands", "It has ended")
    await vic.shows("#story", "it was a coin")


async def test_an_account_is_linked_by_a_code_and_unlinked(place, crew):
    ray, vic = crew["ray"], crew["vic"]
    await vic.go("/people")
    said = await ray.say("link")
    code = said.partition("/link ")[2].split()[0]
    links = LinkFile(place.layout.links)
    links.redeem(code, front="slack", account_id="U1", name="ray")
    await vic.go("/people")
    await vic.shows("#who", "slack since")
    assert "known by a token" in await ray.say("unlink")
    links.unlink("slack", "U1")
    # The journal knows nothing of links, so a page that was just made is still shown for a moment.
    async with asyncio.timeout(PATIENCE_S):
        await vic.go("/people")
        while "slack since" in await vic.page.inner_text("#who"):
            await vic.go("/people")


async def test_a_snapshot_is_taken_and_brought_back(place, crew):
    ray, cat, vic = crew["ray"], crew["cat"], crew["vic"]
    kept = place.service.workspace / "kept.txt"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("as it was")
    for watcher in (ray, vic):
        await watcher.go("/snapshots")
    await ray.press("Take one now", within="#newest")
    await vic.page.wait_for_selector("#list a.id")
    kept.write_text("spoiled")
    await cat.go(await vic.page.get_attribute("#list a.id", "href"))
    await cat.shows("#changes", "~ kept.txt")
    await cat.press("Restore…", within="#changes")
    assert kept.read_text() == "spoiled"
    await cat.confirm()
    assert kept.read_text() == "as it was"
    await vic.shows("#restored", "by cat")
    assert place.facts("snapshot_restored")[-1].by == "cat"


# ---------------------------------------------------------------- the command box, and the bell


async def test_the_command_box_completes_and_remembers(place, crew):
    ray = crew["ray"]
    await ray.go("/")
    line, press = ray.page.locator("#line"), ray.page.keyboard.press
    await press("/")
    await ray.page.keyboard.type("sta")
    await ray.page.wait_for_selector("#offered li")
    offered = await ray.page.locator("#offered li").all_inner_texts()
    await press("ArrowDown")
    assert await line.get_attribute("aria-activedescendant") == "offer-0"
    await press("ArrowUp")
    assert await line.get_attribute("aria-activedescendant") == f"offer-{len(offered) - 1}"
    await press("ArrowDown")
    await press("Enter")
    assert (await line.input_value()).strip() == offered[0]
    await press("Escape")
    await press("Escape")
    assert await line.input_value() == ""
    await press("/")
    await ray.page.keyboard.type("help ")
    await ray.page.wait_for_selector("#offered li")
    await press("Tab")
    taken = await line.input_value()
    assert taken.startswith("help ")
    assert taken != "help "
    await ray.page.wait_for_selector("#offered li")
    await press("Tab")
    assert await line.input_value() == taken, "Tab does not go on for ever, and leads out"
    assert await ray.page.evaluate("document.activeElement.textContent") == "Say"
    await line.fill("sta")
    await ray.page.wait_for_selector("#offered li")
    await press("Shift+Tab")
    assert await line.input_value() == "sta"
    assert await ray.page.evaluate("document.activeElement.id") != "line"
    await line.fill("")
    await ray.say("whoami")
    await ray.say("status")
    await ray.go("/agents")
    await press("/")
    for key, expected in (("Up", "status"), ("Up", "whoami"), ("Down", "status"), ("Down", "")):
        await press(f"Arrow{key}")
        assert await line.input_value() == expected
    await press("Escape")
    await press("?")
    await ray.shows("#said", "approve")
    await ray.page.click("#said .close")
    assert await ray.page.locator("#said > *").count() == 0
    assert "there is no command" in (await ray.say("frobnicate <b>")).casefold()


async def test_the_bell_rings_where_it_was_pressed(place, crew):
    ray = crew["ray"]
    await ray.page.add_init_script(
        "window.tones = 0; const start = OscillatorNode.prototype.start;"
        "OscillatorNode.prototype.start = function (at) {"
        " document.documentElement.dataset.tones = window.tones += 1; return start.call(this, at); };"
    )
    await ray.go("/")
    await expect(ray.page.locator("#bell")).to_have_attribute("aria-pressed", "false")
    await ray.say("page critical nobody hears this")
    await ray.shows("#escalations", "nobody hears this")
    await expect(ray.page.locator("html:not([data-tones])")).to_have_count(1)
    await ray.page.click("#bell")
    await expect(ray.page.locator("#bell")).to_have_attribute("aria-pressed", "true")
    await expect(ray.page.locator("html[data-tones='2']")).to_have_count(1)
    await ray.say("page critical wake up")
    await expect(ray.page.locator("html[data-tones='7']")).to_have_count(1)
    await ray.page.click("#bell")
    await expect(ray.page.locator("#bell")).to_have_attribute("aria-pressed", "false")
