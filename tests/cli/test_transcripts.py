"""What a newcomer sees, word for word.

After a change that is meant, write the transcripts anew and read the difference:

    WATCHKEEPER_WRITE_GOLDEN=1 .venv/bin/python -m pytest tests/cli/test_transcripts.py
"""

import os
import re
from pathlib import Path

import pytest

from engine.core.work.rollout.showing import show
from engine.runtime.loop import fact_of
from tests.cli.running import DEMO, ROOT, here, normal
from tests.courses import MINUTE_US, NAME, OLD, Course
from watchkeeper.commands_canary import TOLD, history_parts, shadow_parts, standing_parts
from watchkeeper.tables import plain

GOLDEN = Path(__file__).with_name("golden")
# One decision of the demo for each word a verdict can have, by what it shows.
DECISIONS = {
    "allowed-in-shadow": "word = 'allow' and shadowed",
    "held-for-votes": "rule = 'consensus.from_files'",
    "held-for-an-untrusted-target": "rule = 'untrusted-target'",
    "denied-by-a-limit": "rule = 'limits.api_calls_per_minute_and_agent'",
    "denied-by-the-kill-switch": "rule = 'kill_switch.all'",
    "denied-for-its-arguments": "rule like 'actions.%'",
}


def agree(name: str, shown: str) -> None:
    """Compare with the transcript of this name, or write it where that is asked for."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("WATCHKEEPER_WRITE_GOLDEN"):
        path.write_text(shown)
    assert shown == path.read_text(), "meant? then see the top of this file"


@pytest.fixture
def at_home(place, monkeypatch):
    """The project's own folder, with data kept elsewhere."""
    monkeypatch.setenv("WATCHKEEPER_HOME", str(place / "home"))
    monkeypatch.chdir(ROOT)
    return place


def test_the_demo(at_home):
    agree("demo", normal(here("demo", "--headless", "--quick").stdout))


def test_a_replay_against_another_policy(at_home, other):
    result = here("replay", DEMO.relative_to(ROOT), "--score", "--against", other)
    agree("replay-against", normal(result.stdout).replace(str(other), "OTHER"))


def test_the_kpis_of_a_journal(at_home):
    assert here("replay", DEMO.relative_to(ROOT), "--journal", at_home / "demo.db").exit_code == 0
    agree("kpi", normal(here("kpi", "--journal", at_home / "demo.db").stdout))


@pytest.mark.parametrize("name", DECISIONS)
def test_an_explanation(at_home, name):
    import sqlite3
    from contextlib import closing

    assert here("replay", DEMO.relative_to(ROOT)).exit_code == 0
    with closing(sqlite3.connect(at_home / "home" / "replays" / "demo.sqlite")) as connection:
        question = f"select decision_id from decisions where {DECISIONS[name]} order by seq limit 1"
        decision_id = connection.execute(question).fetchone()[0]
    agree(f"explain-{name}", normal(here("explain", decision_id).stdout))


@pytest.fixture(scope="module")
def rollouts():
    """A version in shadow that differs from its incumbent, and another in its second canary stage."""
    shadow, canary = Course().to("shadow"), Course(exploration=0.1).to("canary_10")
    for number in range(24):
        shadow.episode(f"e-{number}", fails=number % 5 == 0, args={"service": "api" if number < 4 else "web"})
        read = canary.propose(f"e-{number}", action="file.read", args={"path": "a"})
        if not read.shadowed:
            canary.outcome(read, ok=True)
        canary.episode(f"e-{number}", fails=number % 5 == 0)
    canary.propose("silent", OLD)
    canary.later(20 * MINUTE_US)
    canary.ask()
    canary.pause("a sale")
    return {"shadow": shadow, "canary": canary}


def test_how_rollouts_stand(rollouts):
    agree("canary-status", "".join(plain(standing_parts(shown(each))) for each in rollouts.values()))


def test_a_shadow_report(rollouts):
    agree("shadow-report", plain(shadow_parts(shown(rollouts["shadow"]))))


def test_the_history_of_a_rollout(rollouts):
    told = [(each.seq, fact_of(each)) for each in rollouts["canary"].journal.read()]
    agree(
        "canary-history", plain(history_parts([(seq, fact) for seq, fact in told if isinstance(fact, TOLD)]))
    )


def shown(course):
    return show(course.loop.state.rollouts, NAME, course.now_us)


def test_every_transcript_has_its_test():
    written = {path.stem for path in GOLDEN.glob("*.txt")}
    rollouts = {"canary-status", "canary-history", "shadow-report"}
    assert written == {"demo", "kpi", "replay-against"} | rollouts | {f"explain-{name}" for name in DECISIONS}


def test_transcripts_name_no_machine():
    for path in GOLDEN.glob("*.txt"):
        assert not re.search(r"(?m)(?:^|\s)/(?!bin|etc|var|tmp/x)\w+/", path.read_text()), path.name
