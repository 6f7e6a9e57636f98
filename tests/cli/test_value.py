"""`watchkeeper value`: from a journal, from a recording of it, and from the log of another system."""

from __future__ import annotations

import json
import random

import pytest

from engine.adapters.journal_sqlite import SqliteJournal
from engine.wiring import build_policy, read_policy
from simulator.importers import import_source
from tests.cli.running import DEMO, here, run
from tests.courses import NEW, OLD, Course
from tests.report.replays import another_policy

LOG = ["visit,item,p,click"]
CANDIDATE = ["item", *("ab"[n % 4 == 0] for n in range(40))]


class Written(Course):
    """A course in a journal on disk, decided by a policy folder, so that it can be decided again."""

    def __init__(self, path, policy_folder) -> None:
        super().__init__()
        self.journal = SqliteJournal(path)
        self.policy = build_policy(read_policy(policy_folder))
        self.reopen()
        self.loop.adopt(self.now_us)


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return another_policy(
        tmp_path_factory.mktemp("policy") / "config",
        ("rollouts.yaml", "established: []", "established: [heal@1]"),
        ("rollouts.yaml", "horizon_s: 3600.0", "horizon_s: 600.0"),
    )


@pytest.fixture(scope="module")
def journal(tmp_path_factory, policy):
    """A shadow in which both sides want the same, and every tenth episode fails."""
    course = Written(tmp_path_factory.mktemp("journal") / "j.db", policy)
    course.replay(decisions=300, allowed=300)
    assert course.stage == "shadow"
    for number in range(130):
        course.episode(f"e-{number}", fails=number % 10 == 0)
    course.journal.close()
    return tmp_path_factory.getbasetemp() / course.journal.place


@pytest.fixture
def tables(place):
    """A log that chose evenly, and a candidate that mostly chooses what is clicked more."""
    draw = random.Random(1)
    rows = [("ab"[draw.random() < 0.5], n) for n in range(900)]
    lines = [f"v{n},{item},0.5,{int(draw.random() < (0.5 if item == 'a' else 0.2))}" for item, n in rows]
    (place / "log.csv").write_text("\n".join([*LOG, *lines]) + "\n")
    (place / "candidate.csv").write_text("\n".join(CANDIDATE) + "\n")
    return place


TABLE = ("--columns", "choice=item,chance=p,reward=click,unit=visit", "--candidate", "candidate.csv")


def test_a_journal_is_valued_as_it_was_decided(place, journal):
    done = here("value", f"journal:{journal}", "--capability", NEW, "--json", "v.json")
    assert done.exit_code == 0, done.stderr
    told = json.loads((place / "v.json").read_text())
    assert told["candidate"]["decisions"] == told["incumbent"]["decisions"] == 130
    assert told["candidate"]["support"] == 1.0
    assert [each["difference"]["value"] for each in told["estimates"]] == [0.0] * 4
    assert told["estimates"][2]["candidate"]["value"] == pytest.approx(0.9)
    assert f"no difference between {NEW} and {OLD} is shown" in " ".join(done.stdout.split())


def test_a_recording_is_decided_again_and_comes_to_the_same(place, journal, policy):
    import_source("journal", journal, place / "r.wkr")
    first = here("value", f"journal:{journal}", "--capability", NEW)
    again = here("value", "r.wkr", "--capability", NEW, "--policy", policy)
    assert again.exit_code == 0, again.stderr
    assert again.stdout == first.stdout


def test_a_recording_is_not_valued_under_another_policy_than_it_was_decided_by(place, journal):
    import_source("journal", journal, place / "r.wkr")
    done = here("value", "r.wkr", "--capability", NEW)
    assert done.exit_code == 2
    assert "does not decide p-2 as it was decided then" in done.stderr
    assert "journal:FILE" in done.stderr


def test_a_table_of_another_system_is_valued(tables):
    done = here("value", "table:log.csv", *TABLE, "--json", "v.json")
    assert done.exit_code == 0, done.stderr
    told = json.loads((tables / "v.json").read_text())
    # Three times of four what is clicked in half of all views, else in a fifth.
    truth = 0.75 * 0.5 + 0.25 * 0.2
    for each in told["estimates"][:3]:
        assert each["candidate"]["low"] <= truth <= each["candidate"]["high"]
    assert "candidate.csv is worth more than log.csv" in " ".join(done.stdout.split())


def test_floors_can_be_set(tables):
    for option, least in (("--episodes-min", 1000), ("--effective-min", 899), ("--support-min", 1.0)):
        done = here("value", "table:log.csv", *TABLE, option, least)
        assert done.exit_code == 0
        assert done.stdout.startswith("nothing is said about candidate.csv") is (option != "--support-min")


def test_a_history_without_a_rollout_says_nothing_and_why(place):
    done = here("value", DEMO, "--capability", "heal@2")
    assert done.exit_code == 0
    assert done.stdout == (
        "nothing is said about heal@2: no decision of heal@2 is in this history with the chance it had\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((DEMO,), "no --capability with a version"),
        ((DEMO, "--capability", "heal"), "no --capability with a version"),
        (("nowhere.wkr", "--capability", "heal@2"), "no such recording"),
        (("journal:nowhere.db", "--capability", "heal@2"), "nowhere.db"),
        (("table:nowhere.csv",), "a table needs --columns"),
        (("table:log.csv", "--columns", "choice=item"), "a table needs --candidate"),
        (("table:nowhere.csv", *TABLE), "nowhere.csv: cannot be read"),
        (("table:log.csv", *TABLE, "--json", "candidate.csv"), "is named twice"),
        (("table:log.csv", *TABLE, "--json", "no/such/v.json"), "its folder does not exist"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_a_cure(tables, words, said):
    done = here("value", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("watchkeeper: ")


def test_two_processes_print_the_same_bytes(tables):
    first, again = (
        run("value", "table:log.csv", *TABLE, cwd=tables, PYTHONHASHSEED=seed) for seed in ("1", "2")
    )
    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout
