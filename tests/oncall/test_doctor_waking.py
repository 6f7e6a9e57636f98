"""The doctor finds out before the night does whom nobody could wake."""

import asyncio

import pytest

from engine.adapters.roster import FileRoster
from engine.core.vocabulary.escalation_facts import OnCallChanged
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import DAY_US, HOUR_US, parse_time
from engine.core.work.captaincy import Captaincy
from engine.ports import Linked
from notifiers.channel import NotSent
from notifiers.reach import Reach, waking_checks
from tests.oncall.waking_folder import CAPABLE, CHANNELS
from watchkeeper.doctor_waking import _said

NOW = parse_time("2026-12-01T12:00:00Z")


def checks(folder, *, links=(), changes=(), captain="", **given):
    """What the doctor says of a folder, as (what, verdict, said)."""
    waking = folder.read(CHANNELS)
    roster = FileRoster(
        waking.known.people.values(),
        waking.known.schedules.values(),
        channels=CAPABLE,
        links=lambda: links,
    )
    reach = Reach(
        waking=waking,
        roster=roster,
        can=CAPABLE,
        changes=changes,
        captaincy=Captaincy(captain=PersonId(captain)),
        now_us=NOW,
    )
    found = list(waking_checks(reach))
    assert all(check.cure for check in found if check.verdict != "ok")
    return [(check.what, check.verdict, check.said) for check in found]


def linked(*people):
    return [
        Linked(person=PersonId(who), role="responder", front="discord", account_id=f"1{who}", name=who)
        for who in people
    ]


@pytest.fixture
def well(folder):
    """A folder in which everybody is reached, loudly, once they have linked their accounts."""
    folder.edit("ladders", "{post: console, wait_s: 60}", "{post: console, to: bob, by: call, wait_s: 60}")
    return folder


def test_where_everybody_is_reached_it_says_so(well):
    ((what, verdict, said),) = checks(well, links=linked("ada", "bob"))
    assert (what, verdict) == ("waking", "ok")
    assert said == "3 people, 3 ladders, 1 schedule: everybody is reached, for 30 days"


def test_who_linked_no_account_is_named(well):
    found = checks(well, links=linked("bob"))
    assert found == [("ada", "warn", "phone means them, and does not reach them by discord")]


def test_who_is_reached_by_nothing_of_a_ladder_is_worse(well):
    well.edit(
        "ladders",
        "{to: everyone, by: sms,",
        "{to: [cy, bob], by: discord, post: console, wait_s: 1}\n      - {to: ada, by: sms,",
    )
    found = checks(well, links=linked("ada", "bob"))
    assert ("cy", "bad", "all does not reach them at all: not by discord") in [
        (what, verdict, said.replace(" means them, and", "")) for what, verdict, said in found
    ]


def test_a_ladder_that_lets_everybody_sleep_is_named(folder):
    found = checks(folder, links=linked("ada", "bob"))
    assert [(what, verdict) for what, verdict, _ in found] == [("screens", "warn")]
    assert "wakes nobody" in found[0][2]


def test_hours_without_anybody_are_named_by_the_clock_of_the_schedule(well):
    well.edit("oncall", "      - people: [bob]\n", "").edit(
        "oncall", "    zone: Europe/Berlin", "    gaps: allowed\n    zone: Europe/Berlin"
    )
    found = checks(well, links=linked("ada", "bob"))
    assert [(what, verdict) for what, verdict, _ in found] == [("primary", "warn")]
    assert found[0][2].startswith(
        "nobody is on call from Tue 2026-12-01 17:00 until Wed 2026-12-02 09:00, and "
    )


def test_somebody_put_on_call_whom_nothing_loud_reaches_is_named(well):
    well.edit("people", "    ntfy: cy-7Gk2pX9q\n", "    email: cy@example.org\n")
    change = OnCallChanged(
        at_us=NOW, change_id="c1", schedule="primary", person=PersonId("cy"), from_us=NOW + DAY_US,
        until_us=NOW + DAY_US + HOUR_US, by=PersonId("bob"),
    )  # fmt: skip
    found = checks(well, links=linked("ada", "bob", "cy"), changes=(change,))
    assert ("cy", "bad") in [(what, verdict) for what, verdict, _ in found]
    assert any("is on call for primary from Wed 2026-12-02 13:00" in said for _, _, said in found)


def test_a_captain_who_would_sleep_is_named(well):
    well.edit("people", "  cy:\n    role: viewer\n", "  cy:\n    role: captain\n").edit(
        "people", "    ntfy: cy-7Gk2pX9q\n", '    phone: "+1 212 555 0124"\n'
    )
    assert checks(well, links=linked("ada", "bob", "cy"))[0][1] == "ok"
    well.edit("ladders", "to: [captain, bob]", "to: [ada, bob]").edit(
        "ladders", "{to: everyone,", "{to: bob,"
    )
    well.edit("people", '    phone: "+1 212 555 0124"\n', "")
    found = checks(well, links=linked("ada", "bob"))
    assert found == [("cy", "warn", "is a captain whom nothing loud reaches")]


def test_whoever_acts_as_captain_must_be_known(well):
    found = checks(well, links=linked("ada", "bob"), captain="zoe")
    assert ("zoe", "bad") in [(what, verdict) for what, verdict, _ in found]


def test_an_installation_that_names_nobody_is_told_once(folder):
    folder.write("people", "people: {}\n").write("oncall", "schedules: {}\n")
    folder.write("ladders", "ladders: {s: {rungs: [{post: console, wait_s: 60}]}}\notherwise: s\n")
    assert [verdict for _, verdict, _ in checks(folder)] == ["warn"]


class Asked:
    """A channel that answers a check as it is told."""

    def __init__(self, answer):
        self.answer = answer

    async def check(self, _address):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", ["", "the token is revoked", NotSent("nobody there", kind="broken")])
def test_what_a_provider_says_is_told_even_when_it_says_nothing(answer):
    assert asyncio.run(_said(Asked(answer), "")) == str(answer)
