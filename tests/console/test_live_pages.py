"""Open pages: they keep up, take commands and keys, and survive what happens to the console."""

import asyncio
from collections.abc import Callable

import pytest

from tests.console.bridge import Bridge, Watcher, watching
from tests.http.placing import ALLOWED, HELD
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            await asyncio.sleep(0.05)


async def test_a_page_keeps_up_without_reloading(bridge, browser):
    async with watching(browser, bridge, "vic") as vic:
        await vic.page.evaluate("window.same = true")
        decided = bridge.propose(**ALLOWED)
        await vic.page.wait_for_selector(f"#newest a[href$='{decided['decision_id']}']")
        assert await vic.page.evaluate("window.same")
        assert vic.complaints == []


async def test_holding_stops_everything_and_a_short_press_nothing(bridge, browser):
    async with watching(browser, bridge, "ray") as ray:
        kill = ray.page.locator("button.kill")
        await kill.click()
        await kill.hover()
        assert bridge.fence.stops() == ()
        await ray.page.mouse.down()
        await ray.page.wait_for_selector("#said .reply h2")
        await ray.page.mouse.up()
        assert "Stopped: all" in await ray.page.inner_text("#said")
        assert [stop.by for stop in bridge.fence.stops()] == ["ray"]
        await ray.page.wait_for_selector("text=Autonomy is stopped")
        assert ray.complaints == []


async def test_the_keyboard_is_enough(bridge, browser):
    bridge.propose(**HELD)
    async with watching(browser, bridge, "cat") as cat:
        await cat.page.keyboard.press("g")
        await cat.page.keyboard.press("d")
        await cat.page.wait_for_url("**/decisions")
        await cat.page.keyboard.press("j")
        await cat.page.keyboard.press("Enter")
        await cat.page.wait_for_url("**/decisions/d_*")
        await cat.page.keyboard.press("/")
        await cat.page.keyboard.type("/whoa")
        await cat.page.wait_for_selector("#offered li")
        await cat.page.keyboard.press("Tab")
        await cat.page.keyboard.press("Enter")
        await cat.page.wait_for_selector("#said .reply")
        assert "captain" in await cat.page.inner_text("#said")
        await cat.page.keyboard.press("ArrowUp")
        assert (await cat.page.input_value("#line")).strip() == "/whoami"
        assert cat.complaints == []


async def test_many_tabs_of_one_browser_listen_through_one(bridge, browser):
    async with watching(browser, bridge, "ray") as ray:
        tabs = [ray.page]
        for _ in range(8):
            tabs.append(await ray.page.context.new_page())
            await tabs[-1].goto(bridge.url)
        decided = bridge.propose(**ALLOWED)
        for tab in tabs:
            await tab.wait_for_selector(f"#newest a[href$='{decided['decision_id']}']")
        await tabs[0].close()
        again = bridge.propose(**ALLOWED)
        for tab in tabs[1:]:
            await tab.wait_for_selector(f"#newest a[href$='{again['decision_id']}']")
        assert ray.complaints == []


async def test_an_open_page_says_that_the_console_is_gone_and_goes_on_when_it_is_back(tmp_path, browser):
    bridge = Bridge(tmp_path)
    with bridge.up():
        port = int(bridge.url.rpartition(":")[2])
        context = await browser.new_context()
        vic = Watcher(bridge, await context.new_page())
        await vic.enter("vic")
        await vic.page.evaluate("window.same = true")
    await vic.page.wait_for_selector("#lost:not([hidden])")
    with bridge.up(port=port):
        decided = bridge.propose(**ALLOWED)
        await vic.page.wait_for_selector(f"#newest a[href$='{decided['decision_id']}']")
        await vic.page.wait_for_selector("#lost", state="hidden")
        assert await vic.page.evaluate("window.same")
    await context.close()
    bridge.close()


async def test_a_page_outlives_a_proxy_that_answers_for_a_console_that_is_gone(tmp_path, browser):
    bridge, answered = Bridge(tmp_path), []
    with bridge.up():
        port = int(bridge.url.rpartition(":")[2])
        context = await browser.new_context()
        cat = Watcher(bridge, await context.new_page())
        await cat.enter("cat")
        await cat.page.evaluate("window.same = true")

        async def bad_gateway(route):
            answered.append(route.request.url)
            await route.fulfill(status=502, content_type="text/html", body="<h1>502 Bad Gateway</h1>")

        await context.route("**/*", bad_gateway)
    await cat.page.wait_for_selector("#lost:not([hidden])")
    # The browser gives the first stream up; the page opens another one.
    await until(lambda: sum(url.endswith("/console/live") for url in answered) >= 2)
    assert await cat.page.evaluate("window.same"), "it was not loaded again: there was nothing to load"
    await cat.page.fill("#line", "kill-autonomous agent:coder-1 gone")
    await cat.page.press("#line", "Enter")
    await until(lambda: sum(url.endswith("/console/say") for url in answered) >= 2)
    with bridge.up(port=port):
        await context.unroute_all(behavior="wait")
        await cat.page.wait_for_selector("#lost", state="hidden")
        assert await cat.page.evaluate("window.same")
    await context.close()
    bridge.close()


async def test_an_open_page_says_that_the_engine_is_gone_and_stops_all_the_same(tmp_path, browser):
    alone = Bridge(tmp_path)
    with alone.up(engine=False):
        async with watching(browser, alone, "ray") as ray:
            await ray.page.wait_for_selector(".state >> text=The engine does not answer")
            await ray.page.hover("button.kill")
            await ray.page.mouse.down()
            await ray.page.wait_for_selector("text=Autonomy is stopped")
            async with alone.engine():
                await ray.page.wait_for_selector("#figures >> text=Waiting for people")
            assert ray.complaints == []
    assert [stop.by for stop in alone.fence.stops()] == ["ray"]
    alone.close()
