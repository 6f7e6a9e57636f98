"""The manifest: Slack takes it, every command is in it, and the file that ships is the generated one."""

import json
from pathlib import Path

import pytest

from bot.slack_app.manifest import line_of, make_manifest, slash_of
from engine.commands.catalogue import LANGUAGE
from simulator.fakes.fake_slack.manifest import manifest_faults

URL = "https://watch.example/slack/events"


@pytest.mark.parametrize("url", ["", URL])
def test_slack_takes_it(url):
    assert manifest_faults(make_manifest(request_url=url)) == ()


def test_every_first_word_is_a_slash_command_that_leads_back_to_it():
    registered = {each["command"] for each in make_manifest()["features"]["slash_commands"]}
    words = {kind.words.split()[0] for kind in LANGUAGE.listed()}
    assert registered == {slash_of(word) for word in words} | {"/wk"}
    for kind in LANGUAGE.listed():
        word, _, more = kind.words.partition(" ")
        assert LANGUAGE.find(line_of(slash_of(word), more))[0] is kind


def test_no_name_is_one_that_slack_keeps_for_itself():
    # With one of them Slack refuses the whole manifest.
    assert "/status" not in {each["command"] for each in make_manifest()["features"]["slash_commands"]}


def test_the_file_that_ships_is_the_generated_one():
    assert json.loads(Path("deploy/slack/manifest.json").read_text()) == make_manifest()
