"""From a recording to a journal of our own, and everything a person does with one."""

import csv
import io
import json
import sqlite3
from contextlib import closing

import pytest

from tests.cli.running import hashes, here, tree


@pytest.fixture
def journal(place, made):
    """A journal that a replay wrote."""
    result = here("replay", made, "--journal", "j.db")
    assert result.exit_code == 0, result.stderr
    assert "journal: j.db" in result.stdout
    return place / "j.db"


def test_verify_finds_every_record_in_place(journal, place):
    result = here("journal", "verify", "--journal", journal, "--write-anchor", "anchor")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("ok ")
    assert here("journal", "verify", "--journal", journal, "--anchor", "anchor").exit_code == 0


def test_one_altered_byte_is_found(journal):
    with closing(sqlite3.connect(journal)) as connection:
        body = connection.execute("select body from journal where seq = 300").fetchone()[0]
    image = bytearray(journal.read_bytes())
    at = image.index(body if isinstance(body, bytes) else body.encode()) + len(body) // 2
    image[at] ^= 1
    journal.write_bytes(image)
    result = here("journal", "verify", "--journal", journal)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"BROKEN {journal}: ")
    assert "300" in result.stderr
    assert "Traceback" not in result.stderr


def test_tail_shows_the_last_records(journal):
    shown = here("journal", "tail", "--journal", journal, "-n", "5").stdout.splitlines()
    assert len(shown) == 5
    whole = [
        json.loads(line)
        for line in here("journal", "tail", "--journal", journal, "-n", 3, "--json").stdout.splitlines()
    ]
    assert [record["seq"] for record in whole] == sorted(record["seq"] for record in whole)


def test_query_counts_what_the_replay_counted(journal, place, made):
    here("replay", made, "--json", "out.json")
    words = json.loads((place / "out.json").read_text())["words"]
    question = (
        "SELECT json_extract(body, '$.verdict.word') AS word, count(*) AS n FROM journal "
        "WHERE fact = 'verdict_reached' GROUP BY word"
    )
    rows = json.loads(here("journal", "query", question, "--json", "--journal", journal).stdout)
    assert {row["word"]: row["n"] for row in rows} == words
    table = csv.DictReader(
        io.StringIO(here("journal", "query", question, "--csv", "--journal", journal).stdout)
    )
    assert {row["word"]: int(row["n"]) for row in table} == words


@pytest.mark.parametrize("form", ["jsonl", "sqlite"])
def test_export_writes_every_record(journal, place, form):
    result = here("journal", "export", "--journal", journal, "--format", form, "-o", "out")
    assert result.exit_code == 0
    count = int(
        here(
            "journal", "query", "SELECT count(*) AS n FROM journal", "--csv", "--journal", journal
        ).stdout.split()[1]
    )
    assert f"wrote {count:,} records" in result.stderr
    if form == "jsonl":
        assert len((place / "out").read_text().splitlines()) >= count


def test_explain_finds_a_decision_in_a_journal(journal):
    question = (
        "SELECT json_extract(body, '$.verdict.decision_id') AS d FROM journal "
        "WHERE fact = 'verdict_reached' LIMIT 1"
    )
    decision_id = json.loads(here("journal", "query", question, "--json", "--journal", journal).stdout)[0][
        "d"
    ]
    there, here_too = here("explain", decision_id, "--journal", journal), here("explain", decision_id)
    assert there.exit_code == 0
    # A journal knows the records too; of what was decided, and why, both say the same.
    assert there.stdout.partition("\n  decision ")[2] == here_too.stdout.partition("\n  decision ")[2] != ""


def test_a_journal_replays_to_itself(journal, made):
    result = here("replay", f"journal:{journal}")
    assert result.exit_code == 0
    recorded = here("replay", made)
    assert hashes(result.stdout)[1] == hashes(recorded.stdout)[1]
    assert "to the last byte" in result.stdout
    assert here("replay", f"journal:{journal}", "--fail-if", "not_reproduced > 0").exit_code == 0


def test_another_policy_does_not_reproduce_a_journal(journal, other):
    result = here("replay", f"journal:{journal}", "--policy", other, "--fail-if", "not_reproduced > 0")
    assert result.exit_code == 1
    assert "first difference at seq" in result.stdout
    # The hash of the policy is part of each verdict.
    assert "none at all: was another policy in force then? name its folder with --policy" in result.stdout


def test_a_journal_is_never_overwritten(journal, made, place):
    before = tree(place)
    result = here("replay", made, "--journal", "j.db")
    assert result.exit_code == 2
    assert result.stderr == "watchkeeper: j.db: there is a journal already (a journal is never overwritten)\n"
    assert tree(place) == before
