"""People: who is on call, what they may change, how they are woken, and nothing that is not for all."""

import re
from pathlib import Path

import pytest

from tests.console.bridge import Bridge, watching
from tests.console.crew import configured, crewed

SAY = "/console/say"


@pytest.fixture
def crew(tmp_path):
    with crewed(tmp_path) as bridge:
        yield bridge


def cover(client, **given):
    fields = {"schedule": "primary", "person": "cat", "when": "for 2h"} | given
    chosen = {f"with-{name}": fields[name] for name in ("schedule", "person")}
    return client.post(SAY, data={"line": "oncall cover", "reason": fields["when"]} | chosen)


def test_the_calendar_shows_turns_gaps_and_no_address(crew):
    with crew.client("vic") as vic:
        page = vic.get("/people").text
    assert page.count('<svg class="calendar"') == 2
    assert re.search(r"</strong>\s+is on call\s+until <time", page)
    assert page.count('class="turn c0"') > 5
    assert page.count('class="turn c1"') > 2
    assert 'class="gap"' in page
    assert "gaps in the weeks ahead</span>" in page
    assert "Ray &lt;b&gt;R&lt;/b&gt;" in page
    assert re.search(r"phone, ntfy", page)
    for secret in ("901820", "ray-secret-topic", "cat@example.org"):
        assert secret not in page
    assert "oncall cover" not in page


def test_a_cover_counts_is_shown_and_is_taken_back(crew):
    with crew.client("ray") as ray:
        assert "cat is on call for primary" in cover(ray).text
        page = ray.get("/people").text
        change = re.search(r"oncall restore (c\d+)", page)[1]
        assert page.count('class="swap"') == 1
        assert "is taken back" in ray.post(SAY, data={"line": f"oncall restore {change}"}).text
        assert 'class="swap"' not in ray.get("/people").text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"when": "yesterday"}, "does not say from when until when"),
        ({"person": "nobody-known"}, "nobody-known"),
        ({"schedule": "<i>none</i>"}, "there is no schedule"),
        ({"when": ""}, "it needs when"),
    ],
)
def test_a_wrong_cover_says_what_is_wrong(crew, given, said):
    with crew.client("ray") as ray:
        answer = cover(ray, **given).text
        assert said in answer
        assert "<i>none" not in answer
        assert 'class="swap"' not in ray.get("/people").text


def test_viewers_change_nothing(crew):
    with crew.client("vic") as vic:
        assert "takes a responder" in cover(vic).text
        assert 'class="swap"' not in vic.get("/people").text


def test_a_swap_shows_which_turns_before_it_is_made(crew):
    with crew.client("ray") as ray:
        asked = ray.post(
            SAY, data={"line": "oncall swap", "with-schedule": "primary", "with-person": "cat"}
        ).text
        assert "Swap with cat?" in asked
        token = re.search(r"yes ([0-9a-f]{16})", asked)[1]
        assert "Swapped with cat" in ray.post(SAY, data={"line": f"yes {token}"}).text
        assert len(re.findall(r"oncall restore c\d+", ray.get("/people").text)) == 2


def test_ladders_are_drawn_with_who_is_meant_now_and_what_happens_at_the_end(crew):
    with crew.client("ray") as ray:
        page = ray.get("/people/ladders").text
    assert page.count('<svg class="climb"') == 2
    assert re.search(r"on-call:primary</strong> \((ray|cat)\)", page)
    assert "rings 2 times" in page
    assert "all autonomy stops" in page
    assert "request that is critical" in page
    assert "Ring by-phone as a drill" in page
    with crew.client("vic") as vic:
        assert "as a drill" not in vic.get("/people/ladders").text


def test_a_drill_has_a_story_a_picture_and_an_end(crew):
    with crew.client("ray") as ray:
        asked = ray.post(SAY, data={"line": "drill by-phone"}).text
        token = re.search(r"yes ([0-9a-f]{16})", asked)[1]
        ray.post(SAY, data={"line": f"yes {token}"})
        page = ray.get("/people/escalations").text
        name = re.search(r"/people/escalations/(e_[0-9a-f]{15})", page)[1]
        ray.post(SAY, data={"line": f"ack {name}"})
        story = ray.get(f"/people/escalations/{name}")
        assert story.status_code == 200
        assert "ray has it" in story.text
        assert "What every rung took" in story.text
        picture = ray.get(f"/people/escalations/{name}.svg")
        assert picture.headers["content-type"].startswith("image/svg+xml")
        assert picture.text.startswith("<svg")
        ray.post(SAY, data={"line": f"resolve {name} it was a drill"})
        assert "resolved" in ray.get("/people/escalations").text
        for none in ("e_000000000000000", "../../etc/passwd", "e_%3Cscript%3E"):
            assert ray.get(f"/people/escalations/{none}").status_code == 404
            assert ray.get(f"/people/escalations/{none}.svg").status_code == 404


def test_the_load_counts_what_rang_people_and_who_took_it(crew):
    with crew.client("ray") as ray:
        ray.post(SAY, data={"line": "page critical the shop is down"})
        name = re.search(r"e_[0-9a-f]{15}", ray.get("/people/escalations").text)[0]
        ray.post(SAY, data={"line": f"ack {name}"})
        page = ray.get("/people/escalations").text
    assert re.search(r"<dt>Escalations</dt><dd>1 ", page)
    assert re.search(r"ray <small>after", page)


def test_people_are_shown_with_the_engine_away_and_with_a_broken_file(tmp_path: Path):
    with crewed(tmp_path / "a", engine=False) as alone, alone.client("cat") as cat:
        for path in ("/people", "/people/ladders", "/people/escalations"):
            assert cat.get(path).status_code == 200
        assert "The engine does not answer" in cat.get("/people/escalations").text
    config = configured(tmp_path / "b")
    broken = Bridge(tmp_path / "b")
    with broken.up(engine=False), broken.client("cat") as cat:
        (config / "people.yaml").write_text("people: {ray: {role: king}}")
        page = cat.get("/people")
        assert page.status_code == 200
        assert "people.yaml:1" in page.text
    broken.close()


@pytest.mark.asyncio
async def test_a_cover_by_the_form_is_on_the_page_without_reloading(crew, browser):
    async with watching(browser, crew, "ray", timezone_id="Asia/Tokyo") as ray:
        await ray.go("/people")
        await ray.page.evaluate("window.same = true")
        await ray.page.select_option("form:has([value='oncall cover']) select[name='with-person']", "cat")
        await ray.page.fill("form:has([value='oncall cover']) input[name='reason']", "for 3h")
        await ray.page.click("button:text('Cover')")
        await ray.page.wait_for_selector("#oncall .change")
        assert await ray.page.evaluate("window.same")
        assert "times in Asia/Tokyo" in await ray.page.inner_text("#zone")
        assert ray.complaints == []
