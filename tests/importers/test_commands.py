"""`watchkeeper import` and `watchkeeper recording`: one line for each outcome, no traceback."""

import json

import pytest
from click.testing import CliRunner

from tests.importers.test_agentdojo import rows_of, run
from tests.recording.samples import LABELS, mixed, write
from watchkeeper.cli import main


def watchkeeper(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def runs(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(run()) + "\n")
    return path


def test_import_says_what_it_made(runs, tmp_path):
    result = watchkeeper("import", "agentdojo", runs, "-o", tmp_path / "a.wkr")
    assert result.exit_code == 0
    assert "a.wkr: 10 facts from 1 rows, 2 proposals, 0 labels, content " in result.stdout
    assert result.stderr.startswith("note: no agentdojo_actions.csv.gz beside the source")


def test_import_shows_its_progress_on_a_terminal(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    runs.write_text("".join(json.dumps(run(f"r{n}")) + "\n" for n in range(1_001)))
    result = watchkeeper("import", "agentdojo", runs, "-o", tmp_path / "a.wkr")
    assert result.exit_code == 0
    assert "importing runs.jsonl" in result.stderr


def test_info_says_what_there_is(tmp_path):
    result = watchkeeper("recording", "info", write(tmp_path / "a.wkr", mixed(60), LABELS), "--verify")
    assert result.exit_code == 0
    for said in (
        "sample: sample.csv",
        "made for tests",
        "1 in its registry",
        "60",
        "1 episode, 1 truth, 1 verdict",
    ):
        assert said in result.output
    assert "lane 7" in result.output
    assert "every frame is as the index says" in result.output


def test_info_of_an_empty_recording(tmp_path):
    result = watchkeeper("recording", "info", write(tmp_path / "a.wkr", []))
    assert result.exit_code == 0
    assert "span" not in result.output


def test_show_writes_facts_and_never_labels(tmp_path):
    path = write(tmp_path / "a.wkr", mixed(60), LABELS)
    lines = [json.loads(line) for line in watchkeeper("recording", "show", path).output.splitlines()]
    assert [line["seq"] for line in lines] == [*range(1, 61)]
    assert all("fact" in line and "label" not in line for line in lines)
    some = watchkeeper("recording", "show", path, "--from-seq", 58, "-n", 2).output.splitlines()
    assert [json.loads(line)["seq"] for line in some] == [58, 59]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import", "exel", "{runs}", "-o", "{out}"), "no format 'exel'"),
        (("import", "agentdojo", "{runs}x", "-o", "{out}"), "no such file"),
        (("import", "govuk", "{runs}", "-o", "{out}"), "no column 'ts_utc'"),
        (("import", "agentdojo", "{runs}", "-o", "{out}/none/a.wkr"), "no such file or folder"),
        (("import", "agentdojo", "{runs}", "-o", "{runs}"), "would replace its own source"),
        (("recording", "info", "{runs}"), "not a Watchkeeper recording"),
        (("recording", "show", "{out}"), "no such file"),
    ],
)
def test_mistakes_are_one_line_and_status_two(runs, tmp_path, words, said):
    before = sorted(tmp_path.iterdir())
    result = watchkeeper(*(word.format(runs=runs, out=tmp_path / "a.wkr") for word in words))
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output
    assert sorted(tmp_path.iterdir()) == before


def test_labels_are_counted(runs, tmp_path):
    from simulator.importers import import_source

    rows = rows_of([run()])
    lines = [",".join(rows[0])] + [",".join(row.values()) for row in rows]
    (tmp_path / "agentdojo_actions.csv").write_text("\n".join(lines) + "\n")
    summary = import_source("agentdojo", runs, tmp_path / "a.wkr")
    assert summary.label_kinds == {"episode": 1, "truth": 2}
