"""`watchkeeper explain`: one decision with all its reasons, wherever it was decided."""

import json
import sqlite3
from contextlib import closing

import pytest

from engine.core.decide import GATES
from tests.cli.running import DEMO, here, run


def decision(results, where="1"):
    """The id of the first decision that this is true of."""
    with closing(sqlite3.connect(results)) as connection:
        question = f"select decision_id from decisions where track = 0 and {where} order by seq limit 1"
        return connection.execute(question).fetchone()[0]


def flat(result):
    """What was printed, however its lines were broken."""
    return " ".join(result.stdout.split())


@pytest.fixture
def results(replayed, place):
    return place / ".watchkeeper" / "replays" / "demo.sqlite"


@pytest.mark.parametrize(("word", "said"), [("allow", "ALLOWED"), ("hold", "HELD"), ("deny", "DENIED")])
def test_it_says_what_was_decided_and_why(results, word, said):
    result = here("explain", decision(results, f"word = '{word}'"))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{said}: ")
    for gate in GATES:
        assert f" {gate} " in result.stdout
    if word != "allow":
        assert " may change" in result.stdout


def test_a_denial_names_rule_measured_value_limit_and_who_can_change_it(results):
    shown = flat(here("explain", decision(results, "rule = 'limits.api_calls_per_minute_and_agent'")))
    assert "api_calls_per_minute_and_agent 101 of 100" in shown
    assert "rule limits.api_calls_per_minute_and_agent, which captain may change" in shown
    assert "there is room again at 2026-" in shown


def test_json_says_the_same(results):
    decision_id = decision(results, "word = 'hold'")
    told = json.loads(here("explain", decision_id, "--json").stdout)
    assert told["decision_id"] == decision_id
    assert told["word"] == "hold"
    assert flat(here("explain", decision_id)).startswith(" ".join(told["summary"].split()))
    assert [gate["gate"] for gate in told["gates"]] == list(GATES)
    assert told["args"] is not None


def test_against_explains_what_the_second_policy_decided(place, other):
    assert here("replay", DEMO, "--against", other, "--results", "r.sqlite").exit_code == 0
    with closing(sqlite3.connect(place / "r.sqlite")) as connection:
        question = "select decision_id from differences join decisions using (seq) limit 1"
        decision_id = connection.execute(question).fetchone()[0]
    first, second = (
        json.loads(here("explain", decision_id, "--json", *more).stdout) for more in ((), ("--against",))
    )
    assert first["word"] != second["word"]
    assert first["policy_hash"] != second["policy_hash"]


def test_against_without_a_second_policy_finds_nothing(results):
    result = here("explain", decision(results), "--against")
    assert result.exit_code == 2
    assert result.stderr.startswith("watchkeeper: ")


def test_it_looks_into_the_last_replay_or_the_one_that_is_named(place, made):
    assert here("replay", DEMO, "--results", "a.sqlite").exit_code == 0
    assert here("replay", made, "--results", "b.sqlite").exit_code == 0
    first, last = decision(place / "a.sqlite"), decision(place / "b.sqlite", "proposal_id like 'odd-%'")
    assert here("explain", last).exit_code == 0
    assert here("explain", first, "--results", "a.sqlite").exit_code == 0


@pytest.mark.parametrize("unknown", ["d_nowhere", "", "d_' or 1 --", "ü" * 300])
def test_an_unknown_decision_is_refused_in_one_line(results, unknown):
    result = here("explain", unknown)
    assert result.exit_code == 2
    assert result.stderr.startswith("watchkeeper: ")
    assert result.stderr.count("\n") == 1
    assert "copy the whole id" in result.stderr


def test_before_any_replay_it_says_what_to_run(place):
    result = here("explain", "d_1")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "watchkeeper: there is nothing to explain yet (run watchkeeper demo, or watchkeeper replay)\n"
    )


@pytest.mark.parametrize("pointer", [b"\xff\xfe", b"", b"/nowhere\n", b"a\0b"])
def test_a_damaged_pointer_to_the_last_replay_is_no_replay(place, pointer):
    (place / ".watchkeeper").mkdir()
    (place / ".watchkeeper" / "last-replay").write_bytes(pointer)
    assert here("explain", "d_1").exit_code == 2


def test_what_an_agent_wrote_cannot_steer_the_terminal(place):
    from tests.builders import NOON_US
    from tests.determinism.histories import record
    from tests.report.replays import ask

    hostile = ask(1, NOON_US, rationale="fine\x1b[2J\n\u202eand more", args={"service": "\x1b]0;owned\x07"})
    record(place / "a.wkr", [hostile])
    here("replay", "a.wkr", "--results", "r.sqlite")
    shown = here("explain", decision(place / "r.sqlite")).stdout
    assert not {"\x1b", "\x07", "\u202e"} & {*shown}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_our_signs_gets_an_explanation_too(results, place, encoding):
    done = run("explain", decision(results, "word = 'hold'"), cwd=place, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
