"""The roster: who is meant, how they are reached, and when they are left asleep."""

import pytest

from engine.adapters.link_file import LinkFile
from engine.adapters.roster import ADDRESSES, FileRoster
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import HOUR_US, parse_time
from engine.core.work.escalations.roster import Duty
from engine.errors import StorageError
from engine.settings.channels import ChannelsFile
from notifiers.stating import capabilities_of
from tests.oncall.schedules import ADA, BOB, CY, change, local
from tests.oncall.waking_folder import CAPABLE

EVE = PersonId("eve")
NOON = local("Europe/London", "2026-12-02 12:00")
NIGHT = local("Europe/London", "2026-12-02 23:30")


def roster_of(folder, links=tuple):
    known = folder.read().known
    return FileRoster(known.people.values(), known.schedules.values(), channels=CAPABLE, links=links)


@pytest.fixture
def roster(folder):
    return roster_of(folder)


@pytest.mark.parametrize(
    ("target", "duty", "people"),
    [
        ("bob", Duty(), (BOB,)),
        ("eve", Duty(), (EVE,)),
        ("everyone", Duty(), (ADA, BOB)),
        ("role:viewer", Duty(), (CY,)),
        ("role:captain", Duty(captain=BOB), (ADA,)),
        ("role:gone", Duty(), ()),
        ("captain", Duty(), (ADA,)),
        ("captain", Duty(captain=BOB), (BOB,)),
        ("captain", Duty(captain=BOB, deputy=CY), (BOB,)),
        ("captain", Duty(captain=BOB, deputy=CY, away=True), (CY,)),
        ("captain", Duty(captain=BOB, away=True), (BOB,)),
        ("deputy", Duty(captain=BOB, deputy=CY), (CY,)),
        ("deputy", Duty(captain=BOB), ()),
        ("on-call:primary", Duty(), (ADA,)),
        ("on-call:gone", Duty(), ()),
        ("on-call:primary", Duty(changes=(change(CY, "2026-12-02", "2026-12-03"),)), (CY,)),
    ],
)
def test_a_target_means_whoever_it_means_at_that_time(roster, target, duty, people):
    assert roster.found(target, NOON, duty) == people


def test_a_gap_in_a_schedule_is_nobody(folder):
    folder.edit("oncall", "      - people: [bob]\n", "    gaps: allowed\n")
    assert roster_of(folder).found("on-call:primary", NIGHT, Duty()) == ()


def test_quiet_hours_keep_back_what_is_loud_unless_it_is_bad_enough(roster):
    left_out = roster.against(ADA, "call", "warning", NIGHT)
    assert (left_out.who, left_out.channel) == (ADA, "call")
    assert left_out.why == "quiet hours until 2026-12-03T07:00:00Z"
    assert left_out.until_us == local("Europe/London", "2026-12-03 07:00")
    assert roster.against(ADA, "call", "critical", NIGHT) is None
    assert roster.against(ADA, "email", "info", NIGHT) is None
    assert roster.against(ADA, "call", "info", NOON) is None
    assert roster.against(BOB, "call", "info", NIGHT) is None


def test_quiet_hours_end_when_they_do_and_begin_when_they_do(roster):
    begin, end = local("Europe/London", "2026-12-02 22:00"), local("Europe/London", "2026-12-03 07:00")
    for at_us, reached in ((begin - 1, True), (begin, False), (end - 1, False), (end, True)):
        assert (roster.against(ADA, "sms", "info", at_us) is None) == reached


def test_quiet_hours_that_follow_each_other_end_with_the_last(folder):
    folder.edit(
        "people",
        '{from: "22:00", until: "07:00", unless: critical}',
        '{from: "22:00", until: "07:00"}\n'
        '      - {from: "07:00", until: "24:00", days: [sat, sun]}\n'
        '      - {from: "00:00", until: "07:00", days: [sun, mon]}',
    )
    friday = local("Europe/London", "2026-12-04 23:00")
    assert roster_of(folder).against(ADA, "call", "warning", friday).until_us == local(
        "Europe/London", "2026-12-07 07:00"
    )


def test_quiet_hours_without_end_say_so(folder):
    folder.edit("people", 'from: "22:00", until: "07:00"', 'from: "00:00", until: "24:00"')
    left_out = roster_of(folder).against(ADA, "call", "warning", NOON)
    assert (left_out.why, left_out.until_us) == ("quiet hours", None)


def test_the_bar_of_quiet_hours_can_be_lower(folder):
    folder.edit("people", "unless: critical", "unless: warning")
    assert roster_of(folder).against(ADA, "call", "warning", NIGHT) is None
    assert roster_of(folder).against(ADA, "call", "info", NIGHT) is not None


@pytest.mark.parametrize(
    ("person", "channel", "why"),
    [
        (CY, "call", "no phone number"),
        (BOB, "email", "no e-mail address"),
        (BOB, "ntfy", "no ntfy topic"),
        (BOB, "discord", "linked no Discord account"),
        (EVE, "sms", "not in people.yaml"),
        (EVE, "discord", "linked no Discord account"),
        (ADA, "pigeon", "there is no channel pigeon"),
    ],
)
def test_whom_a_channel_cannot_reach_is_said_with_the_reason(roster, person, channel, why):
    left_out = roster.against(person, channel, "critical", NOON)
    assert (left_out.who, left_out.channel, left_out.why, left_out.until_us) == (person, channel, why, None)


def test_each_channel_has_its_address(roster):
    assert [roster.address(ADA, channel) for channel in ("call", "sms", "email", "ntfy", "console")] == [
        "+442079460958", "+442079460958", "ada@example.org", "", "",
    ]  # fmt: skip
    assert roster.address(CY, "ntfy") == "cy-7Gk2pX9q"
    assert roster.address(CY, "pushover") == "uQiRzpo4DXghDmr9QzzfQu27cmVRsG"
    assert roster.against(ADA, "console", "critical", NOON) is None


def test_an_account_counts_from_the_moment_it_is_linked_and_the_newest_one_does(folder, tmp_path):
    links = LinkFile(tmp_path / "links.json")
    roster = roster_of(folder, links.all)
    assert not roster.address(BOB, "discord")
    for account in ("111", "222"):
        links.redeem(links.code(BOB, "responder"), front="discord", account_id=account)
    links.redeem(links.code(EVE, "responder"), front="discord", account_id="333")
    assert roster.address(BOB, "discord") == "222"
    assert roster.against(BOB, "discord", "info", NOON) is None
    assert roster.against(EVE, "discord", "info", NOON) is None
    assert [roster.has_person(each) for each in (ADA, EVE, PersonId("fay"))] == [True, True, False]
    links.unlink("discord", "222")
    assert roster.address(BOB, "discord") == "111"


def test_links_that_cannot_be_read_keep_no_other_channel_from_ringing(folder):
    def broken():
        raise StorageError("no disk")

    roster = roster_of(folder, broken)
    assert roster.against(ADA, "discord", "critical", NOON).why == "linked no Discord account"
    assert roster.against(ADA, "call", "critical", NOON) is None


def test_for_every_channel_that_reaches_one_person_it_is_known_what_it_needs():
    used = ChannelsFile.model_construct(**dict.fromkeys(ChannelsFile.model_fields, "used"))
    can = capabilities_of(used)
    assert {name for name, each in can.items() if each.personal} == set(ADDRESSES)
    assert {name for name, each in can.items() if each.text == "spoken"} == {"call"}


def test_only_a_call_does_nothing_but_ring(roster):
    assert [roster.rings(channel) for channel in ("call", "sms", "pigeon")] == [True, False, False]


def test_what_time_it_is_for_everybody_and_who_is_asleep(roster):
    ada, bob, cy = roster.hours(NIGHT)
    assert (ada.person, ada.shown, ada.quiet) == (ADA, "Wed 23:30", True)
    assert ada.until_us - NIGHT == 7.5 * HOUR_US
    assert (bob.shown, bob.quiet, bob.until_us) == ("Wed 18:30", False, None)
    assert cy.shown == "Thu 05:15"


def test_schedules_are_known_by_name(roster):
    assert (roster.has_schedule("primary"), roster.has_schedule("gone")) == (True, False)


def test_quiet_hours_keep_to_the_wall_when_the_clock_changes(roster):
    night = parse_time("2026-10-25T00:30:00Z")
    assert roster.against(ADA, "call", "info", night).until_us == parse_time("2026-10-25T07:00:00Z")
