"""The web console over a journal of 100,000 decisions: its pages, its first paint, news, and memory.

    python -m benchmarks.console [--decisions N] [--viewers N] [--minutes N] [--json OUT]

A whole service, with supervisor, engine, front and workers in processes of their own, and Debian's Chromium
with a page for each viewer, all on this machine. The floor of a page is /v1/health over the same connection,
taking turns; the floor of the first paint is the login page, which reads no journal. News is from its
verdict to the row on each screen. Memory is the front's, sampled while proposals and looks go on.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
from playwright.async_api import Browser, Page, async_playwright

from benchmarks.live import percentiles
from bot.http_api.address import read_address
from bot.web_console.console import TABS
from bot.web_console.sessions import Sessions, login_link
from engine.adapters.token_file import TokenFile
from engine.runtime import wire
from engine.runtime.client import EngineClient
from tests.console.bridge import ARGUMENTS, CHROMIUM
from tests.live.engines import asked
from tests.service.services import Service, service

_AT_ONCE: Final = 200
_PAINTS: Final = 7
_RARE: Final = "/decisions?agent=nobody"
_PAINTED: Final = """() => new Promise((done) => {
  new PerformanceObserver((list, watch) => {
    const [first] = list.getEntriesByName("first-contentful-paint");
    if (first) { watch.disconnect(); done(first.startTime); }
  }).observe({ type: "paint", buffered: true });
})"""
_SEEN: Final = """([id]) => new Promise((seen) => {
  const there = () => document.querySelector(`#newest a[href$="${id}"]`);
  const look = () => { if (there()) { watch.disconnect(); seen(Date.now()); } };
  const watch = new MutationObserver(look);
  watch.observe(document.body, { childList: true, subtree: true });
  look();
})"""


async def fill(running: Service, decisions: int) -> None:
    """Have so many decisions made, in shadow."""
    client = EngineClient(running.layout.socket)
    for first in range(0, decisions, _AT_ONCE):
        wishes = (asked(number, confidence=0.9) for number in range(first, min(first + _AT_ONCE, decisions)))
        await asyncio.gather(*(client.ask(wire.Propose(proposal=wish)) for wish in wishes))
    await client.close()


def pages(client: httpx.Client, rounds: int) -> dict[str, dict[str, float]]:
    """Ask for every list page, none of it kept from before, taking turns with the floor."""
    took: dict[str, list[float]] = {"floor: /v1/health": []}
    for number in range(rounds):
        for path in ("/v1/health", *(tab.path for tab in TABS), "/people/escalations", _RARE):
            began = time.perf_counter()
            # An address of its own, so that nothing rendered before is given again.
            own = "" if path.startswith("/v1") else f"{'&' if '?' in path else '?'}round={number}"
            client.get(path + own).raise_for_status()
            name = path if not path.startswith("/v1") else "floor: /v1/health"
            took.setdefault(name, []).append(time.perf_counter() - began)
    return {name: percentiles(each) for name, each in took.items()}


async def first_paint(browser: Browser, url: str, cookie: str | None, path: str) -> float:
    """Open a page with a browser that has seen nothing, and return when it painted something, in ms."""
    context = await browser.new_context()
    try:
        if cookie is not None:
            await context.add_cookies([{"name": "watchkeeper", "value": cookie, "url": url}])
        page = await context.new_page()
        await page.goto(url + path)
        return float(await page.evaluate(_PAINTED))
    finally:
        await context.close()


async def news(running: Service, viewers: list[Page], rounds: int) -> list[float]:
    """Have a decision made, and return how long it took to each screen, in seconds."""
    client = EngineClient(running.layout.socket)
    took: list[float] = []
    for number in range(rounds):
        wish = asked(10_000_000 + number, confidence=0.9)
        answer = await client.ask(wire.Propose(proposal=wish))
        assert isinstance(answer, wire.Decided)
        committed_ms = time.time() * 1000
        seen = await asyncio.gather(*(page.evaluate(_SEEN, [answer.verdict.decision_id]) for page in viewers))
        took += [max(0.0, (each - committed_ms) / 1000) for each in seen]
        await asyncio.sleep(0.5)
    await client.close()
    return took


async def memory(running: Service, front: psutil.Process, minutes: float) -> list[float]:
    """Keep proposing while everybody looks; return the front's memory in MB, sampled as it goes."""
    client = EngineClient(running.layout.socket)
    end_s, number, samples = time.monotonic() + minutes * 60, 20_000_000, []
    while time.monotonic() < end_s:
        for _ in range(20):
            number += 1
            await client.ask(wire.Propose(proposal=asked(number, confidence=0.9)))
            await asyncio.sleep(0.05)
        samples.append(front.memory_info().rss / 1e6)
    await client.close()
    return samples


def _front(running: Service) -> psutil.Process:
    address = read_address(running.layout.address)
    assert address is not None
    return psutil.Process(address.pid)


def _print(name: str, row: dict[str, float], said: str) -> None:
    print(f"  {name:<36}{row['p50_ms']:>9.1f}{row['p99_ms']:>9.1f}{row['worst_ms']:>10.1f}   {said}".rstrip())


async def measure(running: Service, given: argparse.Namespace) -> dict[str, Any]:
    """Measure everything, and print it."""
    address = read_address(running.layout.address)
    assert address is not None
    url, sessions = address.url, Sessions(TokenFile(running.layout.tokens))

    def cookie() -> str:
        session = sessions.log_in(sessions.invite("ada", "captain"))
        assert session is not None
        return session

    began = time.perf_counter()
    await fill(running, given.decisions)
    print(f"{given.decisions:,} decisions made in {time.perf_counter() - began:.0f} s")
    with httpx.Client(base_url=url, cookies={"watchkeeper": cookie()}, timeout=60) as client:
        found: dict[str, Any] = {"pages": await asyncio.to_thread(pages, client, given.rounds)}
    print(f"  {'pages, nothing kept':<36}{'p50 ms':>9}{'p99 ms':>9}{'worst ms':>10}")
    floor = found["pages"]["floor: /v1/health"]["p50_ms"]
    for name, row in found["pages"].items():
        said = "" if name.startswith("floor") else f"{row['p50_ms'] / floor:.0f} times the floor; aim: 300 ms"
        _print(name, row, said)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        paints: dict[str, list[float]] = {"login": [], "/": [], "/decisions": []}
        for _ in range(_PAINTS):
            for name, painted in paints.items():
                key = None if name == "login" else cookie()
                painted.append(await first_paint(browser, url, key, "/login" if name == "login" else name))
        found["first paint"] = {name: statistics.median(each) for name, each in paints.items()}
        for name, painted_ms in found["first paint"].items():
            times = painted_ms / found["first paint"]["login"]
            said = "floor" if name == "login" else f"{times:.2f} times the floor; aim: 1,000 ms"
            print(f"  first paint of {name:<21}{painted_ms:>9.0f} ms, median of {_PAINTS}; {said}")
        viewers = []
        for _ in range(given.viewers):
            context = await browser.new_context()
            page = await context.new_page()
            await page.goto(login_link(url, sessions.invite("vic", "viewer")))
            await page.click("button.good")
            await page.wait_for_selector("#newest")
            viewers.append(page)
        found["news"] = percentiles(await news(running, viewers, given.rounds))
        _print(f"a decision on {given.viewers} screens", found["news"], "aim: 500 ms after its commit")
        samples = await memory(running, _front(running), given.minutes)
        half = samples[len(samples) // 2 :]
        per_hour = (half[-1] - half[0]) / (given.minutes / 2 / 60) if len(half) > 1 else 0.0
        found["memory"] = {"first_mb": samples[0], "last_mb": samples[-1], "mb_per_hour": per_hour}
        print(f"  the front's memory with {given.viewers} viewers: {samples[0]:.0f} MB at first, ", end="")
        print(f"{samples[-1]:.0f} MB after {given.minutes:g} min; second half: {per_hour:+.1f} MB an hour")
        await browser.close()
    return found


def main() -> None:
    """Measure, print, and write JSON if asked."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--decisions", type=int, default=100_000)
    options.add_argument("--viewers", type=int, default=20)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--minutes", type=float, default=2.0)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder), http__requests_per_s=100_000) as running,
    ):
        found = asyncio.run(measure(running, given))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
