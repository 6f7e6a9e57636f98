"""The pages of replays: begin, watch, cancel, compare, and reports that can do nothing."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.web_console.guarding import CONTENT_POLICY
from bot.web_console.replay import REPORT_POLICY
from engine.wiring import SHIPPED_POLICY
from tests.console.bridge import Bridge, watching
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.slow
SAY = "/console/say"
LAXER = "laxer & <b>"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder with another policy at hand."""
    other = tmp_path / "policies" / LAXER
    shutil.copytree(SHIPPED_POLICY, other)
    shutil.copy(SHIPPED_POLICY.parent / "actions.yaml", other)
    thresholds = other / "thresholds.yaml"
    thresholds.write_text(thresholds.read_text().replace("below_confidence: 0.7", "below_confidence: 0.1"))
    return tmp_path


@pytest.fixture
def bridge(home: Path) -> Iterator[Bridge]:
    """Engine and front run, with another policy at hand."""
    made = Bridge(home)
    with made.up():
        yield made
    made.close()


def said(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def begin(client: Any, **wanted: str) -> str:
    chosen = {f"with-{name}": value for name, value in wanted.items()}
    answer = client.post(SAY, data={"line": "replay start", **chosen})
    found = re.search(r"Replay (r[0-9a-f]+) is", answer.text)
    assert found is not None, said(answer.text)
    return found[1]


def over(client: Any, name: str) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while re.search(r'class="chip ">\s*(waiting|running)', page := client.get(f"/replay/{name}").text):
        assert time.monotonic() < deadline, page
        time.sleep(0.3)
    return page


def test_a_comparison_from_its_beginning_to_its_report(bridge):
    with bridge.client("ray") as ray, bridge.client("vic") as vic:
        form = ray.get("/replay").text
        assert "<option>demo</option>" in form
        assert "laxer &amp; &lt;b&gt;" in form
        assert "<b>" not in form
        name = begin(ray, recording="demo", policy="", against=LAXER)
        page = over(vic, name)
        assert "newly stopped" in page, page
        rows = re.findall(r'<td class="id">(d_[^<]+)<', page)
        assert len(rows) == 50
        assert page.count('class="word hold"') >= 50
        query = re.search(r'rel="next" href="([^"]+)"', page)
        following = vic.get(query[1].replace("&amp;", "&")).text
        assert not set(rows) & set(re.findall(r'<td class="id">(d_[^<]+)<', following))
        allowed = vic.get(f"/replay/{name}?how=allowed").text
        assert "No decision fits" in allowed
        assert vic.get(f"/replay/{name}?how=wrong").status_code == 422
        assert vic.get(f"/replay/{name}?after={2**63}").status_code == 422
        listed = vic.get("/replay").text
        assert f"/replay/{name}/report?download=1" in listed
        assert "Begin a replay" not in listed

        report = vic.get(f"/replay/{name}/report")
        assert report.headers["content-security-policy"] == REPORT_POLICY
        assert "sandbox;" in REPORT_POLICY
        assert "script" not in REPORT_POLICY
        assert "<html" in report.text
        down = vic.get(f"/replay/{name}/report?download=1")
        assert down.headers["content-disposition"] == f'attachment; filename="watchkeeper-replay-{name}.html"'
        assert down.content == report.content
        (bridge.layout.home / "replays" / "asked" / name / "results.sqlite").unlink()
        assert "it has no results" in vic.get(f"/replay/{name}?how=stopped").text


def test_who_may_begin_and_cancel(bridge):
    with bridge.client("vic") as vic, bridge.client("ray") as ray:
        assert (
            "takes a responder" in vic.post(SAY, data={"line": "replay start", "with-recording": "demo"}).text
        )
        name = begin(ray, recording="demo")
        assert "Cancel" not in vic.get(f"/replay/{name}").text
        assert "takes a responder" in vic.post(SAY, data={"line": f"replay cancel {name}"}).text
        ray.post(SAY, data={"line": f"replay cancel {name}"})
        assert re.search(r">\s*(cancelled|done)", over(vic, name))


def test_what_is_not_there_is_said(bridge):
    with bridge.client("ray") as ray:
        assert (
            "there is no recording"
            in ray.post(SAY, data={"line": "replay start", "with-recording": "../../etc/passwd"}).text
        )
        for path in ("/replay/r000000", "/replay/r000000/report"):
            assert ray.get(path).status_code == 404, path
        assert ray.get("/replay/..%2f..%2fetc/report").status_code in {404, 422}
    with bridge.client() as stranger:
        assert stranger.get("/replay/r000000/report").status_code == 303


@pytest.mark.asyncio
async def test_progress_is_seen_and_a_report_shows_in_its_sandbox(bridge, browser):
    async with watching(browser, bridge, "ray") as ray:
        await ray.go("/replay")
        assert (await ray.page.evaluate("document.contentType")) == "text/html"
        await ray.page.select_option("select[name=with-recording]", "demo")
        await ray.page.click("#begin button")
        await ray.page.wait_for_selector("#said .reply h2")
        # Without any record in the journal, the page hears of it.
        await ray.page.wait_for_selector("#jobs progress, #jobs a:text-is('open')")
        await ray.page.wait_for_selector("#jobs a:text-is('open')")
        answer = await ray.page.goto(
            bridge.url + await ray.page.get_attribute("#jobs a:text-is('open')", "href")
        )
        assert answer is not None
        assert answer.headers["content-security-policy"] != CONTENT_POLICY
        await ray.page.wait_for_selector("h1")
        assert await ray.page.evaluate("window.origin") == "null"
        assert await ray.page.evaluate("getComputedStyle(document.body).marginTop") != "8px"
        assert ray.complaints == []
