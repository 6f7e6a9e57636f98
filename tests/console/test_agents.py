"""Agents: what each did, what that cost, and stopping one of them."""

import re

import httpx
import pytest

from tests.console.bridge import watching
from tests.http.placing import ALLOWED, DENIED, GRANTED, HELD
from tests.patience import PATIENCE_S

SAY = "/console/say"


def counted(page: str, name: str) -> str:
    """Return one figure of an agent's page."""
    return re.search(rf"<dt>{name}</dt><dd>([^<]*)", page)[1].strip()


def test_an_agent_is_shown_with_what_it_did_what_came_of_it_and_how_it_was_rated(bridge):
    granted = [bridge.propose(**GRANTED) for _ in range(3)]
    held = bridge.propose(**HELD)
    bridge.propose(**DENIED)
    bridge.propose("coder-2", **ALLOWED)
    for nth, each in enumerate(granted):
        body = {"ok": nth > 0, "detail": "<b>done</b>", "cost_usd": "1.25"}
        httpx.post(
            f"{bridge.url}/v1/proposals/{each['proposal_id']}/outcome",
            json=body,
            headers=bridge.bearer("coder-1"),
            timeout=PATIENCE_S,
        ).raise_for_status()
    with bridge.client("ray") as ray:
        ray.post(SAY, data={"line": f"approve {held['decision_id']}"})
        ray.post(SAY, data={"line": f"rate {granted[0]['decision_id']} wrong too late"})
        page = ray.get("/agents/coder-1").text
        listed = ray.get("/agents").text
    assert [counted(page, name) for name in ("Decisions", "Allowed", "Held", "Denied", "Worked")] == list(
        "53112"
    )
    assert "1 let go on" in page
    assert "1 failed" in page
    assert counted(page, "Cost") == "$3.75"
    assert "claims 90%, is right in 67% of 3" in re.sub(r"\s+", " ", page)
    assert "0 useful, 1 wrong" in page
    assert "heal@1" in listed
    assert listed.index("coder-1") != listed.index("coder-2")


def test_one_agent_is_stopped_and_only_a_captain_lets_it_go_on(bridge):
    bridge.propose(**ALLOWED)
    with bridge.client("vic") as vic:
        assert "kill-autonomous agent:" not in vic.get("/agents").text
    with bridge.client("ray") as ray:
        line = re.search(r'value="(kill-autonomous agent:coder-1 [^"]*)"', ray.get("/agents").text)[1]
        ray.post(SAY, data={"line": line})
        assert [str(stop.scope) for stop in bridge.fence.stops()] == ["agent:coder-1"]
        page = ray.get("/agents/coder-1").text
        assert "Stopped by ray" in page
        assert "resume-autonomous" not in page
    assert bridge.propose(**ALLOWED)["word"] != "allow"
    with bridge.client("cat") as cat:
        assert "resume-autonomous agent:coder-1" in cat.get("/agents").text


def test_an_agent_nobody_heard_of_is_not_found_and_the_page_stands_without_engine(bridge, tmp_path):
    with bridge.client("vic") as vic:
        assert vic.get("/agents/%3Cscript%3E").status_code == 404
    from tests.console.bridge import Bridge

    alone = Bridge(tmp_path / "alone")
    with alone.up(engine=False), alone.client("vic") as vic:
        page = vic.get("/agents")
        assert page.status_code == 200
        assert "The engine does not answer" in page.text
    alone.close()


@pytest.mark.asyncio
async def test_a_new_agent_comes_up_and_is_stopped_by_its_button(bridge, browser):
    async with watching(browser, bridge, "ray") as ray:
        await ray.go("/agents")
        bridge.propose("coder-2", **ALLOWED)
        await ray.page.wait_for_selector("#agents a[href='/agents/coder-2']")
        ray.page.on("dialog", lambda dialog: dialog.accept())
        await ray.page.click("button:text('Stop it')")
        await ray.page.wait_for_selector("#agents .chip.danger:text('stopped')")
        assert [str(stop.scope) for stop in bridge.fence.stops()] == ["agent:coder-2"]
        assert ray.complaints == []
