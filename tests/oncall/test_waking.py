"""People, schedules and ladders that are right: what they come to."""

import pytest
from msgspec import structs

from engine.core.vocabulary.escalations import Rung
from engine.core.vocabulary.units import SECOND_US
from engine.errors import PolicyError
from engine.settings.channels import ChannelsFile
from engine.wiring import SHIPPED_CONFIG
from engine.wiring.ladders import Channels, read_waking
from engine.wiring.oncall import open_file
from notifiers.stating import capabilities_of
from tests.oncall.waking_folder import CAPABLE, CHANNELS


def test_a_ladder_that_goes_on_to_another_is_one_with_all_rounds_of_both(folder):
    phone = folder.read().settings.ladders["phone"]
    first = Rung(to=("on-call:primary",), by=("sms", "discord"), wait_us=60 * SECOND_US)
    second = Rung(to=("captain", "bob"), by=("call",), wait_us=120_500_000, repeat=1)
    last = Rung(to=("everyone",), by=("sms",), post=("pagerduty",), wait_us=300 * SECOND_US)
    assert phone.rungs == (first, second, first, second, last)
    assert (phone.rounds, phone.failsafe) == (1, "stop")
    assert (phone.ask_again_us, phone.answer_us) == (900 * SECOND_US, 30 * SECOND_US)


def test_a_ladder_alone_keeps_its_rounds_and_what_it_does_not_say_is_as_the_defaults(folder):
    folder.edit("ladders", "ladders:", "defaults: {rounds: 7, failsafe: stop, answer_s: 5}\nladders:")
    screens = folder.read().settings.ladders["screens"]
    assert (len(screens.rungs), screens.rounds, screens.failsafe) == (1, 7, "stop")
    assert (screens.ask_again_us, screens.answer_us) == (900 * SECOND_US, 5 * SECOND_US)


def test_a_deputy_is_whoever_will_be_named_and_cannot_be_looked_up_before(folder):
    folder.edit("ladders", "{post: console, wait_s: 60}", "{to: deputy, by: call, wait_s: 60}")
    assert folder.read().settings.ladders["screens"].rungs[0].to == ("deputy",)


def test_a_loop_further_on_is_refused_as_well(folder):
    folder.edit("ladders", "  phone:", "    then: phone\n  phone:")
    folder.edit("ladders", "failsafe: stop", "then: phone")
    assert "screens goes on to phone goes on to all goes on to phone: nobody" in folder.complaint()


def test_routes_are_kept_in_order_and_the_last_takes_the_rest(folder):
    settings = folder.read().settings
    assert settings.route("drill", "critical")[0].name == "screens"
    assert settings.route("drill", "critical")[1] == "info"
    assert settings.route("undo", "critical")[0].name == "phone"
    assert settings.route("undo", "info")[0].name == "all"


def test_the_hash_is_of_what_is_said_not_of_how_it_is_written(folder):
    before = folder.read().settings.hash
    assert folder.edit("ladders", "by: call", "by: [call] # by phone").read().settings.hash == before
    assert folder.edit("people", "Lovelace", "L.").read().settings.hash == before
    assert folder.edit("ladders", "wait_s: 60", "wait_s: 61").read().settings.hash != before


def test_numbers_and_people_are_kept_in_one_form(folder):
    ada = folder.read().known.people["ada"]
    assert (ada.phone, ada.name, ada.role) == ("+442079460958", "Ada Lovelace", "captain")
    assert folder.read().known.people["bob"].name == "bob"


def test_what_is_shipped_works_with_nobody_in_it_and_with_no_channel_set_up():
    shipped = capabilities_of(open_file(SHIPPED_CONFIG, "channels.yaml").checked(ChannelsFile))
    waking = read_waking(SHIPPED_CONFIG, Channels(by_name=shipped, linked=False))
    assert (waking.known.people, waking.known.schedules) == ({}, {})
    ladder, _ = waking.settings.route("trouble", "critical")
    assert {channel for rung in ladder.rungs for channel in rung.post} == {"console", "desktop"}
    assert not any(rung.by for rung in ladder.rungs)


def test_a_folder_from_before_has_what_is_shipped(tmp_path):
    assert read_waking(tmp_path) == read_waking(tmp_path, CHANNELS)
    assert read_waking(tmp_path).settings == read_waking(SHIPPED_CONFIG).settings


@pytest.mark.parametrize("name", ["people", "oncall", "ladders"])
def test_each_file_is_read_by_itself(folder, name):
    if name != "ladders":
        folder.write("ladders", (SHIPPED_CONFIG / "ladders.yaml").read_text())
    if name == "people":
        (folder.path / "oncall.yaml").unlink()
    (folder.path / f"{name}.yaml").unlink()
    found = folder.read(None)
    assert bool(found.known.people) == (name != "people")
    assert bool(found.known.schedules) == (name == "ladders")


def test_without_channels_only_what_depends_on_them_is_left_unchecked(folder):
    folder.edit("ladders", "by: call", "by: pigeon")
    assert folder.read(None).settings.ladders["phone"].rungs[1].by == ("pigeon",)
    folder.edit("people", '    phone: "+1 212 555 0123"\n', "")
    with pytest.raises(PolicyError, match=r"has no phone in people\.yaml for sms"):
        folder.read(None)


def test_a_link_makes_every_rung_one_that_can_be_answered(folder):
    folder.edit("ladders", "{post: console, wait_s: 60}", "{to: ada, by: email, wait_s: 60}")
    assert "nobody can answer it" in folder.complaint()
    assert folder.read(Channels(by_name=CAPABLE, linked=True)).settings.ladders["screens"].rungs[0].by


def test_where_nobody_can_be_woken_nobody_has_to_be(folder):
    folder.write("people", "people:\n  ada: {role: captain, zone: UTC, email: ada@example.org}\n")
    folder.write("oncall", "schedules: {}\n")
    folder.write("ladders", (SHIPPED_CONFIG / "ladders.yaml").read_text())
    assert folder.read().known.people
    folder.edit("people", "email:", "phone: '+442079460958', email:")
    assert "none of its rungs wakes anybody" in folder.complaint()


def test_a_channel_that_is_not_for_what_is_critical_is_kept_from_its_ladders_alone(folder):
    fan_out = structs.replace(CAPABLE["console"], critical=False)
    channels = Channels(by_name={**CAPABLE, "apprise": fan_out}, linked=False)
    folder.edit("ladders", "{post: console, wait_s: 60}", "{post: [console, apprise], wait_s: 60}")
    assert folder.read(channels).settings.ladders["screens"].rungs[0].post == ("console", "apprise")
    folder.edit("ladders", "post: [pagerduty]", "post: [pagerduty, apprise]")
    with pytest.raises(PolicyError, match="apprise is not for that"):
        folder.read(channels)
