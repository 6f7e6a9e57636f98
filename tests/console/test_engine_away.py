"""The engine goes away and comes back under each open page: it says so, and goes on without a reload."""

from __future__ import annotations

import contextlib

import pytest

from bot.web_console.console import TABS
from tests.console.bridge import Bridge, Watcher, watching
from tests.http.placing import HELD

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]


async def test_every_open_page_says_that_the_engine_is_away_and_recovers(tmp_path, browser):
    place = Bridge(tmp_path)
    with place.up(engine=False), contextlib.ExitStack() as power:
        power.enter_context(place.powered())
        decision = place.propose(**HELD)["decision_id"]
        within = [f"/decisions/{decision}", "/rollouts/heal", "/agents/coder-1", "/journal/1"]
        within += ["/journal/verify", "/people/ladders", "/people/escalations"]
        async with watching(browser, place, "cat") as cat:
            pages = []
            for path in (*(tab.path for tab in TABS), *within):
                watcher = Watcher(place, await cat.page.context.new_page())
                await watcher.go(path)
                await watcher.shows("#state", "Autonomy is on")
                await watcher.page.evaluate("window.same = true")
                pages.append(watcher)
            power.close()
            for watcher in pages:
                await watcher.shows("#state", "The engine does not answer")
            assert "does not answer" in await pages[0].say("approve " + decision)
            power.enter_context(place.powered())
            for watcher in pages:
                await watcher.shows("#state", "Autonomy is on")
                assert await watcher.page.evaluate("window.same"), watcher.page.url
            await pages[0].say("deny " + decision + " the engine is back")
            await pages[len(TABS)].shows("#people", "the engine is back")
            said = {each.page.url: each.complaints for each in (cat, *pages) if each.complaints}
            assert said == {}
    place.close()
