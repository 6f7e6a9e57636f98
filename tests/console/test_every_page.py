"""Every page: accessible, whole on a phone, quiet in the console, and harmless whatever agents write."""

from __future__ import annotations

import os
import re
from pathlib import Path

import httpx
import pytest

from bot.web_console.console import TABS
from tests.console.axe import axe_source, findings
from tests.console.bridge import watching
from tests.http.placing import ALLOWED, DENIED, GRANTED, HELD
from tests.patience import PATIENCE_S

SCREENSHOTS = os.environ.get("WATCHKEEPER_SCREENSHOTS")
"""A folder that keeps a picture of every page, to be looked at."""
HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "'><svg/onload=document.title='owned'>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egpj.exe\u2066\u2069 \u200b\u200d\ufeff",
    "שלום עולם",
    "line\nbreaks\r\nand\ttabs\x1b[31m",
    "Z\u0335\u0336\u0337\u0338" * 50,
    "x" * 900_000,
)
HIDING = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def fill(bridge) -> list[str]:
    """Have agents propose, also with texts that nobody should trust; return the decisions."""
    made = [bridge.propose(**wanted)["decision_id"] for wanted in (ALLOWED, HELD, DENIED)]
    for text in HOSTILE:
        wanted = HELD | {"rationale": text[:8_000], "args": {"service": text[:1_000]}, "episode": text[:100]}
        made.append(bridge.propose(**wanted)["decision_id"])
    with bridge.client("ray") as ray:
        ray.post("/console/say", data={"line": "page critical <b>the shop</b> is down \u202e!"})
    return made


@pytest.mark.asyncio
async def test_pages_are_accessible_whole_and_quiet(bridge, browser, pytestconfig):
    source = axe_source(Path(pytestconfig.cache.mkdir("axe")))
    decided = fill(bridge)
    snapshot = bridge.save_snapshot().snapshot_id
    within = ["/people/ladders", "/people/escalations", "/agents/coder-1", "/policies/change?file=rules.yaml"]
    within += ["/rollouts/heal", "/journal/5", "/journal/verify", f"/snapshots/{snapshot}"]
    paths = [*(tab.path for tab in TABS), *within, f"/decisions/{decided[1]}", f"/decisions/{decided[3]}"]
    wrong: list[str] = []
    for name, options in {
        "wide": {"viewport": {"width": 1366, "height": 900}},
        "phone-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    }.items():
        async with watching(browser, bridge, "cat", bypass_csp=True, **options) as cat:
            for path in paths:
                await cat.go(path)
                wrong += [f"{name} {path}: {each}" for each in await findings(cat.page, source)]
                ids = await cat.page.eval_on_selector_all("[id]", "all => all.map((each) => each.id)")
                twice = {each for each in ids if ids.count(each) > 1}
                # What is kept up to date is found by its id.
                wrong += [f"{name} {path}: two things have the id {each}" for each in twice]
                wide = await cat.page.evaluate("document.documentElement.scrollWidth - innerWidth")
                if wide > 0:
                    wrong.append(f"{name} {path} is {wide} pixels too wide")
                if await cat.page.title() == "owned":
                    wrong.append(f"{name} {path}: a text became a script")
                if SCREENSHOTS:
                    file = f"{path.strip('/').replace('/', '-')[:30] or 'watch'}-{name}.png"
                    await cat.page.screenshot(path=Path(SCREENSHOTS) / file, full_page=True)
            wrong += [f"{name}: {each}" for each in cat.complaints]
    assert wrong == []


def test_what_agents_write_is_shown_and_does_nothing(bridge):
    decided = fill(bridge)
    with bridge.client("cat") as cat:
        records = (f"/journal/{seq}" for seq in range(1, bridge.journal().head().seq + 1))
        others = ("/agents/coder-1", "/rollouts/heal", *(f"/decisions/{each}" for each in decided))
        for path in (*(tab.path for tab in TABS), *others, *records):
            answer = cat.get(path)
            assert answer.status_code == 200, path
            assert not re.search(
                r"<(script|img|svg|b)\b(?![^>]*(/console/static|aria-hidden))", answer.text
            ), path
            assert not HIDING.search(answer.text), path
            assert "49" not in re.findall(r"service=.?(\d+)", answer.text)
            assert len(answer.content) < 400_000, f"{path} is too long for a phone"
        said = cat.post("/console/say", data={"line": f"explain {decided[3]}"}, headers={"X-Console": "part"})
        assert "&lt;script&gt;" in said.text
        assert "<script>" not in said.text


def test_the_longest_texts_that_come_in_are_folded_and_longer_ones_are_refused(bridge):
    evil = "<script>document.title='owned'</script>\u202e"

    def sent(**wanted):
        body = GRANTED | wanted
        return httpx.post(
            f"{bridge.url}/v1/proposals", json=body, headers=bridge.bearer("coder-1"), timeout=PATIENCE_S
        )

    for too_long, status, cure in (
        ({"rationale": evil * 20_000}, 422, "rationale"),
        ({"rationale": evil * 50_000}, 413, "more than 1048576 bytes"),
    ):
        refused = sent(**too_long)
        assert (refused.status_code, cure in refused.text) == (status, True), refused.text[:600]
        assert len(refused.content) < 5_000
    body = evil * 20_000
    said = sent(rationale=(evil * 1_000)[:10_000], args={"title": "a", "body": body})
    assert said.is_success, said.text[:600]
    decision = said.json()["decision_id"]
    seqs = range(1, bridge.journal().head().seq + 1)
    with bridge.client("cat") as cat:
        for path in (
            *(tab.path for tab in TABS),
            f"/decisions/{decision}",
            *(f"/journal/{each}" for each in seqs),
        ):
            answer = cat.get(path)
            assert answer.status_code == 200, path
            assert len(answer.content) < 400_000, f"{path} is too long for a phone"
            assert "<script>" not in answer.text, path
            assert not HIDING.search(answer.text), path
        assert "more letters" in cat.get(f"/decisions/{decision}").text
