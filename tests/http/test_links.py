"""Links that answer: only a press answers, only a link of ours does, and none is ever written into a log."""

import asyncio
import base64
import hashlib
import logging
import re
import stat

import pytest

from bot.http_api.links import Links
from engine.adapters.link_tokens import LinkTokens
from engine.adapters.outage_notes import Outage, OutageNotes, outage_id
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import DAY_US
from tests.http.placing import HELD, Silent
from tests.http.waking import ladders, roster
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio
PUBLIC = "https://watch.example.com"
HOSTILE = "<script>alert(1)</script>&\u202e\x1b[2J"


class Clock:
    """A clock that a test sets."""

    now_us = 1_764_201_600_000_000

    def __call__(self):
        return self.now_us


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens(place, clock):
    return LinkTokens(place.layout.link_secret, PUBLIC, now=clock)


@pytest.fixture
def outages(place):
    return OutageNotes(place.layout.outage, place.layout.outage_answer)


@pytest.fixture
def talking(place, tokens, outages):
    """The application with links, spoken to by nobody in particular."""

    def make(**values):
        answering = Links(tokens=tokens, outages=outages, public_url=PUBLIC)
        return place.talking(answering=answering, roster=roster(), **values)

    return make


async def raised(client, place, **changes):
    body = {"summary": "The migration hangs", "evidence": ["no row for 20 min"]} | changes
    answer = await client.post("/v1/escalations", json=body, headers=place.bearer("ray"))
    return answer.json()["escalation"]["escalation_id"]


async def raised_for(client, place, decision):
    """The escalation that a held decision raised."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = (await client.get("/v1/escalations", headers=place.bearer("ray"))).json()["escalations"]
            if names := [each["escalation_id"] for each in found if each["about"] == decision]:
                return names[0]
            await asyncio.sleep(0.02)


async def stage(client, place, escalation):
    found = await client.get(f"/v1/escalations/{escalation}", headers=place.bearer("ray"))
    return found.json()["stage"], found.json()["holder"]


def path(link):
    assert link.startswith(PUBLIC)
    return link.removeprefix(PUBLIC)


async def test_a_press_acknowledges_and_looking_does_not(place, talking, tokens):
    async with place.engine(ladders=ladders()), talking() as client:
        escalation = await raised(client, place)
        link = path(tokens.link_for(escalation, PersonId("ray")))
        for method in ("GET", "HEAD", "GET"):
            looked = await client.request(method, link)
            assert looked.status_code == 200
            assert await stage(client, place, escalation) == ("ringing", "")
        assert looked.headers["content-type"] == "text/html; charset=utf-8"
        for part in ("The migration hangs", "no row for 20 min", 'value="acknowledge"', "answers as ray"):
            assert part in looked.text
        pressed = await client.post(link, data={"word": "acknowledge"})
        assert (pressed.status_code, "ray has it" in pressed.text) == (200, True)
        assert await stage(client, place, escalation) == ("acknowledged", "ray")
        again = await client.post(link, data={"word": "acknowledge"})
    assert again.status_code == 200, "a press that comes twice says the same"


async def test_every_button_does_what_it_says(place, talking, tokens):
    async with place.engine(ladders=ladders()), talking() as client:
        escalation = await raised(client, place)
        ray, cat = (path(tokens.link_for(escalation, PersonId(who))) for who in ("ray", "cat"))
        await client.post(ray, data={"word": "pass"})
        assert await stage(client, place, escalation) == ("ringing", "")
        await client.post(ray, data={"word": "snooze"})
        assert await stage(client, place, escalation) == ("snoozed", "ray")
        seen = await client.get(cat)
        assert re.findall('value="(.*?)"', seen.text) == ["take", "stop"]
        late = await client.post(cat, data={"word": "acknowledge"})
        assert (late.status_code, "ray has it" in late.text) == (409, True)
        await client.post(cat, data={"word": "take"})
        assert await stage(client, place, escalation) == ("acknowledged", "cat")
        captain = place.bearer("cat")
        await client.post(f"/v1/escalations/{escalation}/resolve", headers=captain)
        over = await client.post(ray, data={"word": "acknowledge"})
    assert (over.status_code, "<button" in over.text, "It is over" in over.text) == (409, False, True)


async def test_the_page_takes_no_script_from_anybody_and_nothing_from_elsewhere(place, talking, tokens):
    async with place.engine(ladders=ladders()), talking() as client:
        escalation = await raised(client, place, summary=f"A {HOSTILE}", evidence=[f"<img src=x> {HOSTILE}"])
        link = path(tokens.link_for(escalation, PersonId("ray")))
        page = await client.get(link)
    assert "&lt;script&gt;" in page.text
    assert not re.search(r"<(script|img|link|iframe)|<[^>]*\b(src|href|on\w+)=|https?:", page.text)
    assert all(letter.isprintable() or letter == "\n" for letter in page.text)
    style = re.search("<style>(.*?)</style>", page.text, re.DOTALL)[1]
    policies = page.headers.get_list("content-security-policy")
    assert len(policies) == 1, "a second one would forbid the style"
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policies[0]
    for part in ("default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in policies[0]
    assert "noindex" in page.headers["x-robots-tag"]
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")


async def test_a_link_that_is_not_ours_or_whose_time_is_over_says_so_and_does_nothing(
    place, talking, tokens, clock
):
    async with place.engine(ladders=ladders()), talking() as client:
        escalation = await raised(client, place)
        link = path(tokens.link_for(escalation, PersonId("ray")))
        other = LinkTokens(place.layout.home / "other-secret", PUBLIC, now=clock)
        forged = path(other.link_for(escalation, PersonId("ray")))
        bent = [
            link[:-1] + ("A" if link[-1] != "A" else "B"), link[:-4], f"{link}=", f"{link}%00", "/e/x",
            "/e/é", "/e/" + "A" * 1_900, forged,
        ]  # fmt: skip
        for each in bent:
            for method in ("GET", "POST"):
                answer = await client.request(method, each, content=b"word=acknowledge")
                assert answer.status_code in {404, 429}, each
                assert "not one of ours" in answer.text or "Too many" in answer.text
        clock.now_us += 3 * DAY_US
        over = await client.post(link, data={"word": "acknowledge"})
        assert (over.status_code, "The time of this link is over" in over.text) == (410, True)
        assert await stage(client, place, escalation) == ("ringing", "")


async def test_guessing_is_slowed_down_and_keeps_nobody_with_a_link_out(place, talking, tokens):
    async with place.engine(ladders=ladders()), talking() as client:
        link = path(tokens.link_for(await raised(client, place), PersonId("ray")))
        statuses = [(await client.get(f"/e/{number}")).status_code for number in range(40)]
        assert (await client.get(link)).status_code == 200
        own = [(await client.get(link)).status_code for _ in range(20)]
    assert statuses[:10] == [404] * 10
    assert 429 in statuses
    assert 429 in own


async def test_a_word_that_is_none_changes_nothing(place, talking, tokens):
    async with place.engine(ladders=ladders()), talking() as client:
        escalation = await raised(client, place)
        link = path(tokens.link_for(escalation, PersonId("ray")))
        for body in (b"", b"word=resolve", b"word=cancel", b"x" * 4_090):
            answer = await client.post(link, content=body)
            assert answer.status_code == 400, body
        assert await stage(client, place, escalation) == ("ringing", "")


async def test_who_may_only_look_does_not_answer(place, talking, tokens):
    async with place.engine(ladders=ladders()), talking() as client:
        escalation = await raised(client, place)
        for who in ("vic", "stranger"):
            link = path(tokens.link_for(escalation, PersonId(who)))
            answer = await client.post(link, data={"word": "acknowledge"})
            assert (answer.status_code, "is a viewer" in answer.text) == (409, True)
        assert await stage(client, place, escalation) == ("ringing", "")


async def test_no_link_is_ever_in_the_log(place, talking, tokens, caplog):
    caplog.set_level(logging.DEBUG)
    async with place.engine(ladders=ladders()), talking() as client:
        link = path(tokens.link_for(await raised(client, place), PersonId("ray")))
        for method in ("GET", "POST", "PUT"):
            await client.request(method, link, content=b"word=acknowledge")
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("watchkeeper")]
    assert sum("/e/…" in line for line in ours) == 3
    assert not any(link[3:] in line for line in ours)


async def test_with_the_engine_away_nothing_is_noted_and_the_button_stays(place, talking, tokens):
    link = path(tokens.link_for("e_000000000000000", PersonId("ray")))
    async with talking() as client:
        for method in ("GET", "POST"):
            answer = await client.request(method, link, content=b"word=acknowledge")
            assert (answer.status_code, 'value="acknowledge"' in answer.text) == (503, True)
    assert answer.headers["retry-after"] == "1"


async def test_an_outage_is_taken_over_without_the_engine(place, talking, tokens, outages):
    began = 1_764_201_500_000_000
    name = outage_id(began)
    link = path(tokens.link_for(name, PersonId("ray")))
    with Silent(place.layout.socket):
        async with talking() as client:
            early = await client.post(link, data={"word": "acknowledge"})
            outages.keep(Outage(outage_id=name, began_us=began))
            looked = await client.get(link)
            assert outages.answered(name) is None
            viewer = path(tokens.link_for(name, PersonId("vic")))
            refused = await client.post(viewer, data={"word": "acknowledge"})
            assert outages.answered(name) is None
            pressed = await client.post(link, data={"word": "acknowledge"})
            second = await client.post(
                path(tokens.link_for(name, PersonId("cat"))), data={"word": "acknowledge"}
            )
            outages.forget()
            over = await client.get(link)
    assert [each.status_code for each in (early, looked, refused, pressed, second)] == [
        409,
        200,
        409,
        200,
        200,
    ]
    assert "ray has it" in pressed.text
    assert "ray has it" in second.text, "whoever was first"
    assert "answers again" in over.text


async def test_the_secret_is_its_owners_alone_and_without_it_no_link_answers(place, talking, tokens):
    link = tokens.link_for("e_000000000000000", PersonId("ray"))
    secret = place.layout.link_secret
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    token = link.rpartition("/")[2]
    assert tokens.bearer_of(token).person == "ray"
    secret.unlink()
    assert tokens.bearer_of(token) is None
    assert not secret.exists(), "looking at a link makes none"
    tokens.link_for("e_000000000000000", PersonId("ray"))
    assert tokens.bearer_of(token) is None, "a new secret, so the old links are none"
    secret.chmod(0o644)
    async with talking() as client:
        answer = await client.get(path(link))
    assert (answer.status_code, "others may read it" in answer.text) == (503, True)


async def test_nobody_in_particular_and_nowhere_to_go_have_no_link(place, tokens):
    assert tokens.link_for("e_000000000000000", PersonId("")) == ""
    nowhere = LinkTokens(place.layout.link_secret, None)
    assert nowhere.link_for("e_000000000000000", PersonId("ray")) == ""


async def test_what_a_plain_word_decides_is_decided_after_a_second_press(place, talking, tokens):
    async with place.engine(ladders=ladders()), talking() as client:
        held = (await client.post("/v1/proposals", json=HELD, headers=place.bearer("coder-1"))).json()
        escalation = await raised_for(client, place, held["decision_id"])
        link = path(tokens.link_for(escalation, PersonId("ray")))
        decision, ray = f"/v1/decisions/{held['decision_id']}", place.bearer("ray")
        looked = await client.get(link)
        assert [word for word in ("deny", "approve") if f'value="{word}"' in looked.text] == [
            "deny",
            "approve",
        ]
        asked = await client.post(link, data={"word": "approve"})
        assert re.findall('value="(.*?)"', asked.text) == ["approve-sure", "look"]
        assert (await client.get(decision, headers=ray)).json()["status"] == "held"
        await client.post(link, data={"word": "look"})
        approved = await client.post(link, data={"word": "approve-sure"})
        assert approved.status_code == 200, approved.text
        assert (await client.get(decision, headers=ray)).json()["answered"]["by"] == ["ray"]
        late = await client.post(link, data={"word": "deny"})
    assert late.status_code == 409, "it was decided"


async def test_a_denial_by_a_link_is_one(place, talking, tokens):
    async with place.engine(ladders=ladders()), talking() as client:
        held = (await client.post("/v1/proposals", json=HELD, headers=place.bearer("coder-1"))).json()
        escalation = await raised_for(client, place, held["decision_id"])
        viewer = path(tokens.link_for(escalation, PersonId("vic")))
        refused = await client.post(viewer, data={"word": "deny"})
        link = path(tokens.link_for(escalation, PersonId("ray")))
        denied = await client.post(link, data={"word": "deny"})
        found = await client.get(f"/v1/decisions/{held['decision_id']}", headers=place.bearer("ray"))
    assert (refused.status_code, denied.status_code) == (409, 200)
    assert found.json()["status"] == "denied"


async def test_what_needs_more_than_a_word_is_not_decided_by_a_link(place, talking, tokens):
    async with place.engine(ladders=ladders()), talking() as client:
        escalation = await raised(client, place)
        link = path(tokens.link_for(escalation, PersonId("ray")))
        looked = await client.get(link)
        answer = await client.post(link, data={"word": "approve-sure"})
    assert 'value="approve"' not in looked.text
    assert (answer.status_code, "more than a link" in answer.text) == (409, True)


async def test_everything_is_stopped_by_two_presses_with_the_engine_away(place, talking, tokens):
    link = path(tokens.link_for("e_000000000000000", PersonId("ray")))
    viewer = path(tokens.link_for("e_000000000000000", PersonId("vic")))
    async with talking() as client:
        asked = await client.post(link, data={"word": "stop"})
        refused = await client.post(viewer, data={"word": "stop-sure"})
        assert place.fence.stops() == ()
        stopped = await client.post(link, data={"word": "stop-sure"})
    assert (asked.status_code, refused.status_code, stopped.status_code) == (200, 409, 200)
    (stop,) = place.fence.stops()
    assert (str(stop.scope), stop.by) == ("all", "ray")
