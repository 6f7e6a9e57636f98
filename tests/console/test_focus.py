"""Where the focus is: a page that changes under somebody's hands puts it on nothing they did not choose."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.console.bridge import watching
from tests.console.crew import crewed
from tests.http.placing import HELD

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]
CHOSEN = "document.activeElement.form?.elements.namedItem('line')?.value"


async def test_the_focus_stays_with_what_it_is_about_and_rests_where_that_is_gone(tmp_path, browser):
    with crewed(tmp_path) as place:
        for severity in ("first", "second", "third"):
            place.propose(**HELD | {"args": {"service": severity}, "episode": severity})
        async with (
            watching(browser, place, "cat", viewport={"width": 1280, "height": 500}) as cat,
            watching(browser, place, "ray") as ray,
        ):
            mine = cat.page.locator("#escalations button", has_text="I have it")
            await expect(mine).to_have_count(3)
            first, second, third = [
                await mine.nth(nth).evaluate("button => button.form.elements.namedItem('line').value")
                for nth in range(3)
            ]
            await mine.nth(1).focus()
            place_of = "document.querySelector('#escalations').scrollTop"
            await cat.page.evaluate(f"{place_of} = 40")
            assert await ray.say(first)
            await expect(mine).to_have_count(2)
            assert await cat.page.evaluate(CHOSEN) == second, "one above it went, and the next stands there"
            assert await cat.page.evaluate(place_of) == 40, "what was scrolled to stays in sight"
            await cat.page.keyboard.press("Enter")
            await expect(mine).to_have_count(1)
            assert [fact.by for fact in place.facts("escalation_acknowledged")] == ["ray", "cat"]
            resting = "document.activeElement.id"
            assert await cat.page.evaluate(resting) == "escalations", "on no button that was not chosen"
            await mine.focus()
            assert await ray.say(third)
            await expect(mine).to_have_count(0)
            assert await cat.page.evaluate(resting) == "escalations"
            assert (cat.complaints, ray.complaints) == ([], [])


async def test_an_answer_that_is_closed_or_followed_leaves_the_keyboard_in_its_place(bridge, browser):
    async with watching(browser, bridge, "cat") as cat:
        await cat.say("kill-autonomous agent:coder-1 a look")
        await cat.page.locator("#said button", has_text="Status").focus()
        await cat.page.keyboard.press("Enter")
        await expect(cat.page.locator("#said > .reply > header code")).to_have_text("status")
        assert await cat.page.evaluate("document.activeElement.id") == "said"
        await cat.page.locator("#said .close").focus()
        await cat.page.keyboard.press("Enter")
        await expect(cat.page.locator("#said > *")).to_have_count(0)
        assert await cat.page.evaluate("document.activeElement.id") == "main"
        assert cat.complaints == []
