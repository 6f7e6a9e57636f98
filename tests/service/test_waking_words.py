"""Waking people from the command line, through the whole service: a page, a drill, on call and calendars."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.fence.stopping import until
from tests.patience import PATIENCE_S
from tests.service.services import Service
from watchkeeper.home import CONFIG_VARIABLE

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Service]:
    """A service whose ladders ring the screen it runs on, and which has people on call."""
    made = Service(tmp_path_factory.mktemp("words"))
    files = {
        "people.yaml": {
            "people": {
                "ada": {"role": "captain", "zone": "Europe/London", "email": "ada@example.org"},
                "bob": {"role": "responder", "zone": "Asia/Kathmandu"},
            }
        },
        "oncall.yaml": {
            "schedules": {
                "primary": {
                    "zone": "Europe/Berlin",
                    "layers": [{"people": ["ada", "bob"], "start": "2026-01-05 09:00", "every": "1 week"}],
                }
            }
        },
        "ladders.yaml": {
            "ladders": {
                "screens": {"rungs": [{"post": "console", "wait_s": 600}], "rounds": 1},
                "brief": {"rungs": [{"post": "console", "wait_s": 0.5}], "rounds": 1},
            },
            "otherwise": "screens",
        },
    }
    for name, content in files.items():
        (made.config / name).write_text(json.dumps(content))
    made.start()
    try:
        yield made
    finally:
        made.end()


def cli(running: Service, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the product on the service's own configuration."""
    return running.cli(*words, **{CONFIG_VARIABLE: str(running.config)})


def code_in(text: str) -> str:
    """The first code of an escalation that a text shows."""
    found = re.search(r"^(\d{4}):? ", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


def test_a_page_is_listed_taken_and_ended(running, tmp_path):
    paged = cli(running, "page", "critical", "the shop", "is down")
    assert paged.returncode == 0, paged.stderr
    code = code_in(paged.stdout)
    assert "the shop is down" in cli(running, "escalations", "list").stdout
    assert "has it" in cli(running, "ack", code).stdout
    assert "is reminded" in cli(running, "snooze", code, "--for", "2h").stdout
    shown = cli(running, "escalations", "show", code, "--svg", str(tmp_path / "it.svg"))
    assert "somebody is needed: the shop is down" in shown.stdout
    assert (tmp_path / "it.svg").read_text().startswith("<svg")
    assert cli(running, "resolve", code, "--reason", "it was the cache").returncode == 0
    again = cli(running, "ack", code)
    assert again.returncode == 1
    assert "nobody is being woken" in again.stdout


def test_the_words_of_chat_are_those_of_the_terminal(running):
    """As docs/howto/escalations.md writes them."""
    code = code_in(cli(running, "page", "critical", "the till is shut").stdout)
    assert "has it" in cli(running, "take", code).stdout
    assert "is reminded" in cli(running, "snooze", code, "for", "2h").stdout
    assert "nothing would reach bob now" in cli(running, "hand", code, "to", "bob").stdout
    assert "it was the cache" in cli(running, "resolve", code, "it", "was", "the", "cache").stdout


def test_a_drill_waits_for_an_answer_and_says_what_each_rung_took(running):
    shown = cli(running, "drill")
    assert shown.returncode == 1
    assert "console" in shown.stdout
    command = [sys.executable, "-m", "watchkeeper", "drill", "--yes", "--wait", str(PATIENCE_S)]
    environment = running.environment | {CONFIG_VARIABLE: str(running.config)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as drill:
        assert until(lambda: "Drill" in cli(running, "escalations", "list").stdout, within_s=PATIENCE_S)
        cli(running, "ack", code_in(cli(running, "escalations", "list").stdout))
        said, _ = drill.communicate(timeout=PATIENCE_S)
    assert drill.returncode == 0, said
    assert re.search(r"^1 +console +\d+\.\d s", said, re.MULTILINE), said


def test_a_drill_that_nobody_answers_fails(running):
    said = cli(running, "drill", "brief", "--yes", "--wait", str(PATIENCE_S))
    assert said.returncode == 1
    assert "nobody came" in said.stdout


def test_who_is_on_call_is_changed_and_goes_into_a_calendar_and_back(running, tmp_path):
    covered = cli(running, "oncall", "cover", "primary", "bob", "for", "9", "days")
    assert covered.returncode == 0, covered.stdout
    calendar = cli(running, "oncall", "export", "primary", "--days", "30").stdout
    assert calendar.startswith("BEGIN:VCALENDAR")
    change = re.search(r"\((c\d+)\)", covered.stdout)
    assert change is not None
    assert cli(running, "oncall", "restore", change[1]).returncode == 0
    file = tmp_path / "oncall.ics"
    file.write_text(calendar, newline="")
    asked = cli(running, "oncall", "import", "primary", str(file), "--days", "30")
    assert asked.returncode == 1
    assert "bob from" in asked.stdout
    assert "change it with --yes" in asked.stderr
    done = cli(running, "oncall", "import", "primary", str(file), "--days", "30", "--yes")
    assert done.returncode == 0, done.stderr
    assert (
        cli(running, "oncall", "import", "primary", str(file), "--days", "30").stdout == "nothing changes\n"
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("ack", "47"), "is no escalation"),
        (("oncall", "export", "nowhere"), "there is no schedule"),
        (("oncall", "import", "primary", "nowhere.ics"), "no such file"),
        (("snooze", "4711", "--for", "ever"), "no length of time"),
    ],
)
def test_wrong_words_are_refused_in_a_line_with_the_cure(running, words, why):
    said = cli(running, *words)
    assert said.returncode == 2
    assert why in said.stderr
    assert said.stderr.count("\n") == 1
