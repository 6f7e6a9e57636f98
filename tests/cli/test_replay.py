"""`watchkeeper replay`: what it prints, what it writes, and how it ends."""

import json
import re
import sqlite3
from contextlib import closing

import pytest

from simulator.fail_if import FIGURES
from tests.cli.running import DEMO, hashes, here, run, tree
from tests.importers.mappings import METRIC, ROWS


def summary_of(*words):
    """The JSON summary of a replay."""
    result = here("replay", *words, "--json", "summary.json")
    assert result.exit_code == 0, result.output
    with open("summary.json", encoding="utf-8") as file:  # noqa: PTH123 - as any other program reads it
        return json.load(file)


def test_text_and_json_say_the_same(place):
    result = here("replay", DEMO, "--score", "--json", "out.json")
    summary = json.loads((place / "out.json").read_text())
    assert result.stderr == ""
    words = summary["words"]
    for word in ("allow", "hold", "deny"):
        assert re.search(rf"(?m)^  {word}\s+{words[word]:,}\s", result.stdout)
    assert sum(words.values()) == summary["decisions"] == summary["kinds"]["ProposalReceived"]
    track = summary["tracks"][0]
    assert hashes(result.stdout) == [track["journal_hash"], track["state_hash"]]
    assert summary["finished"] is True


def test_the_installed_program_does_the_same(place):
    done = run("replay", DEMO, "--results", "r.sqlite", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert hashes(done.stdout) == hashes(here("replay", DEMO).stdout)


def test_a_second_policy_shows_what_differs(place, other):
    result = here("replay", DEMO, "--against", other, "--json", "out.json", "--report", "out.html")
    found = json.loads((place / "out.json").read_text())["differences"]
    assert found["different"] > 0
    assert f"{found['different']:,} decisions of {found['compared']:,} differ" in result.stdout
    assert len(hashes(result.stdout)) == 4
    assert "</html>" in (place / "out.html").read_text()


def test_results_are_a_database_anybody_can_ask(place):
    here("replay", DEMO, "--results", "r.sqlite", "--score")
    with closing(sqlite3.connect(place / "r.sqlite")) as connection:
        scored = "select count(*) from decisions join labels using (proposal_id)"
        assert (
            connection.execute(scored).fetchone()
            == connection.execute("select count(*) from labels").fetchone()
        )


def test_labels_stay_out_unless_asked_for(place):
    here("replay", DEMO, "--results", "r.sqlite")
    with closing(sqlite3.connect(place / "r.sqlite")) as connection:
        assert connection.execute("select count(*) from labels").fetchone() == (0,)


def test_a_span_is_said_and_kept(place):
    summary = summary_of(DEMO, "--from", "2026-03-03", "--until", "2026-03-04T12:00:00Z")
    assert summary["span"]["from_at"] == "2026-03-03T00:00:00Z"
    assert summary["span"]["first_decision_at"] >= "2026-03-03T00:00:00Z"
    assert summary["span"]["last_decision_at"] < "2026-03-04T12:00:00Z"
    assert 0 < summary["decisions"] < summary["kinds"]["ProposalReceived"]


@pytest.mark.slow
def test_shards_do_not_show(place, made):
    alone, shared = summary_of(made), summary_of(made, "--shards", 2)
    for summary in (alone, shared):
        for measured in ("seconds", "facts_per_s", "decisions_per_s"):
            del summary[measured]
    assert alone == shared


@pytest.mark.parametrize(
    ("condition", "status"),
    [("denied > 100000", 0), ("denied > 0", 1), ("recall < 0.99", 0), ("benign_runs_held > 0.05", 1)],
)
def test_fail_if_decides_how_it_ends(place, condition, status):
    result = here("replay", DEMO, "--score", "--fail-if", condition)
    assert result.exit_code == status
    assert result.stderr == (f"failed: {condition}\n" if status else "")
    assert hashes(result.stdout)


def test_fail_if_knows_what_two_policies_give(place, other):
    assert (
        here("replay", DEMO, "--policy", other, "--against", other, "--fail-if", "differing > 0").exit_code
        == 0
    )
    assert here("replay", DEMO, "--against", other, "--fail-if", "newly_allowed > 0").exit_code == 1


def test_an_empty_condition_is_a_mistake_and_not_a_pass(place):
    """In a pipeline an unset variable would otherwise let everything through."""
    result = here("replay", DEMO, "--fail-if", "")
    assert result.exit_code == 2
    assert "--fail-if ''" in result.stderr


def test_help_names_the_figures_or_where_they_are(place):
    result = here("replay", DEMO, "--fail-if", "nosuch > 1")
    assert all(name in result.stderr for name in FIGURES)


def test_format_and_source_give_what_import_and_replay_give(place):
    (place / "log.csv").write_text(ROWS)
    (place / "map.yaml").write_text(METRIC)
    assert here("import", "generic", "log.csv", "-o", "log.wkr", "--mapping", "map.yaml").exit_code == 0
    direct = here("replay", "generic:log.csv", "--mapping", "map.yaml")
    assert hashes(direct.stdout) == hashes(here("replay", "log.wkr").stdout) != []
    assert "source rows" in direct.stdout


def test_an_existing_report_is_replaced_and_nothing_else_touched(place):
    (place / "out.html").write_text("old")
    before = tree(place)
    assert here("replay", DEMO, "--report", "out.html").exit_code == 0
    after = tree(place)
    assert after.pop("out.html") != before.pop("out.html")
    assert before.items() <= after.items()


@pytest.mark.parametrize("option", ["--results", "--json", "--report", "--journal"])
def test_an_output_never_replaces_the_recording(place, option):
    (place / "a.wkr").write_bytes(DEMO.read_bytes())
    result = here("replay", "a.wkr", option, "a.wkr")
    assert result.exit_code == 2
    assert (place / "a.wkr").read_bytes() == DEMO.read_bytes()


def test_two_outputs_need_two_names(place):
    result = here("replay", DEMO, "--results", "out", "--report", "./out")
    assert (result.exit_code, result.stderr) == (
        2,
        "watchkeeper: out: is named twice (give every file a name of its own)\n",
    )


def test_no_command_at_all_lists_them_in_order(place):
    listed = re.findall(r"(?m)^  ([a-z][a-z-]*)  ", here("--help").stdout)
    assert listed[:4] == ["demo", "up", "console", "status"]
    assert {"replay", "explain", "import", "policy", "journal", "kill", "undo", "snapshot"} <= {*listed}
    assert len(listed) == len({*listed})


@pytest.mark.parametrize(
    "words",
    [["demo"], ["replay"], ["explain"], ["import"], ["recording", "info"], ["policy", "check"], ["journal"]],
)
def test_every_command_has_help(place, words):
    result = here(*words, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: watchkeeper {' '.join(words)}")
    assert tree(place) == {}
