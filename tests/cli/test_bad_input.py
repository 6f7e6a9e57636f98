"""Bad input never shows a traceback: one line that names the place and the cure, status 2, nothing left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.wiring import SHIPPED_POLICY
from simulator.recording import Recording
from tests.cli.running import DEMO, here, run, tree
from tests.importers.mappings import METRIC, ROWS


def truncated(place: Path) -> None:
    (place / "a.wkr").write_bytes(DEMO.read_bytes()[:100_000])


def damaged(place: Path) -> None:
    body, frame = bytearray(DEMO.read_bytes()), Recording(DEMO).frames[5]
    body[frame.offset + 100] ^= 1
    (place / "a.wkr").write_bytes(body)


def wrote(name: str, body: str | bytes) -> Callable[[Path], None]:
    def prepare(place: Path) -> None:
        (place / name).write_bytes(body if isinstance(body, bytes) else body.encode())

    return prepare


def folder(name: str) -> Callable[[Path], None]:
    return lambda place: (place / name).mkdir()


def policy(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Copy the shipped configuration with one text changed."""

    def prepare(place: Path) -> None:
        shutil.copytree(SHIPPED_POLICY.parent, place / "config")
        path = next((place / "config").rglob(name))
        text = path.read_text()
        assert old in text, f"{name} was changed: this test must change too"
        path.write_text(text.replace(old, new, 1))

    return prepare


def without(name: str) -> Callable[[Path], None]:
    def prepare(place: Path) -> None:
        shutil.copytree(SHIPPED_POLICY.parent, place / "config")
        (place / "config" / "policies" / name).unlink()

    return prepare


def table(mapping: str = METRIC, rows: str = ROWS) -> Callable[[Path], None]:
    def prepare(place: Path) -> None:
        (place / "log.csv").write_text(rows)
        (place / "map.yaml").write_text(mapping)

    return prepare


def nothing(place: Path) -> None:
    pass


OURS = "replay a.wkr"
UNDER = f"replay {DEMO} --policy config/policies"
TABLE = "import generic log.csv -o out.wkr --mapping map.yaml"

# What is done to an empty folder, the command, and what its one line must say.
CASES = {
    "a truncated recording": (truncated, OURS, ["a.wkr", "cut short", "copy or import it again"]),
    "a damaged recording": (damaged, OURS, ["a.wkr: group 0 lane 5 at byte", "copy or import it again"]),
    "an empty recording": (wrote("a.wkr", b""), OURS, ["a.wkr: the file is empty", "watchkeeper import"]),
    "no recording": (
        wrote("a.wkr", "hello\n" * 99),
        OURS,
        ["a.wkr: not a Watchkeeper recording", "watchkeeper import"],
    ),
    "a picture": (wrote("a.wkr", b"\x89PNG\r\n" + bytes(500)), OURS, ["a.wkr: not a Watchkeeper recording"]),
    "a missing recording": (nothing, OURS, ["a.wkr: no such recording", "watchkeeper import"]),
    "a folder for a recording": (folder("a.wkr"), OURS, ["a.wkr", "is a directory"]),
    "an unknown format": (nothing, "replay nosuch:log.csv", ["nosuch:log.csv", "govuk:"]),
    "an unknown format to import": (
        table(),
        "import nosuch log.csv -o out.wkr",
        ["no format 'nosuch'", "agentdojo"],
    ),
    "a missing source": (
        nothing,
        "replay govuk:nowhere.csv.gz",
        ["nowhere.csv.gz: no such file", "check the path"],
    ),
    "a missing source to import": (
        nothing,
        "import govuk nowhere.csv -o out.wkr",
        ["nowhere.csv", "no such file"],
    ),
    "a source of another kind": (wrote("x.csv", "a,b\n1,2\n"), "replay govuk:x.csv", ["x.csv", "ts_utc"]),
    "no JSON lines": (wrote("x.jsonl", "{oops\n"), "replay agentdojo:x.jsonl", ["x.jsonl line 1"]),
    "a wrong column": (table(METRIC.replace("load", "laod")), TABLE, ["map.yaml", "laod", "load"]),
    "a wrong value": (table(rows=ROWS + "2024-05-02,a,lots\n"), TABLE, ["log.csv", "4", "lots"]),
    "an unknown key in a mapping": (table(METRIC + "colour: red\n"), TABLE, ["map.yaml", "colour"]),
    "a mapping that is no YAML": (table("format: [csv\n"), TABLE, ["map.yaml"]),
    "a missing mapping": (table(), TABLE.replace("map.yaml", "nowhere.yaml"), ["nowhere.yaml"]),
    "no mapping": (table(), "import generic log.csv -o out.wkr", ["mapping"]),
    "a mapping that is not wanted": (
        table(),
        "import govuk log.csv -o out.wkr --mapping map.yaml",
        ["leave it out"],
    ),
    "a folder to import to": (table(), TABLE.replace("out.wkr", "."), [".: is a folder"]),
    "an import to nowhere": (table(), TABLE.replace("out.wkr", "no/out.wkr"), ["no/out.wkr", "no such"]),
    "an import onto its source": (
        table(),
        TABLE.replace("out.wkr", "log.csv"),
        ["log.csv", "choose another name"],
    ),
    "an unknown key in a policy": (
        policy("limits.yaml", "windows:", "window:\n  x: 1\nwindows:"),
        UNDER,
        ["limits.yaml:", "unknown key 'window'"],
    ),
    "a policy that is no YAML": (policy("risk.yaml", "points:", "points: ["), UNDER, ["risk.yaml:"]),
    "a key that is missing": (policy("limits.yaml", "owner: captain", ""), UNDER, ["limits.yaml", "owner"]),
    "a value of another type": (
        policy("limits.yaml", "files: 10 ", "files: ten "),
        UNDER,
        ["limits.yaml:", "files"],
    ),
    "a condition with a type error": (
        policy("rules.yaml", "untrusted_targets > 0", "untrusted_targets > 0.5"),
        UNDER,
        ["rules.yaml:", "rule untrusted-target"],
    ),
    "a condition with an unknown fact": (
        policy("rules.yaml", "untrusted_targets > 0", "untrusted > 0"),
        UNDER,
        ["rules.yaml:", "undeclared reference to 'untrusted'", "known facts"],
    ),
    "a condition that is no condition": (
        policy("rules.yaml", "untrusted_targets > 0", "untrusted_targets > > 0"),
        UNDER,
        ["rules.yaml:", "untrusted-target"],
    ),
    "a pattern that does not compile": (
        policy("risk.yaml", r"'\brm\s+", r"'\brm(\s+"),
        UNDER,
        ["risk.yaml:"],
    ),
    "a contradictory policy": (
        policy("limits.yaml", "most: 100 ", "most: 500 "),
        UNDER,
        ["limits.yaml", "lower the first or raise the second"],
    ),
    "votes nobody can give": (
        policy("thresholds.yaml", "votes: 3", "votes: 7"),
        UNDER,
        ["thresholds.yaml", "7 votes"],
    ),
    "an undo that does not exist": (
        policy("actions.yaml", "undo: git.revert", "undo: git.nosuch"),
        UNDER,
        ["git.nosuch"],
    ),
    "a policy without a file": (without("limits.yaml"), UNDER, ["limits.yaml: no such file", "copy it"]),
    "a missing policy folder": (
        nothing,
        f"replay {DEMO} --policy nowhere",
        ["nowhere: no such policy folder"],
    ),
    "a missing second folder": (
        nothing,
        f"replay {DEMO} --against nowhere",
        ["nowhere: no such policy folder"],
    ),
    "a file for a policy folder": (wrote("p", ""), "policy check p", ["p: no such policy folder"]),
    "a ladder that leads nowhere": (
        policy("ladders.yaml", "otherwise: screens", "otherwise: nobody"),
        "policy check config/policies",
        ["config/ladders.yaml:", "otherwise goes to a ladder nobody", "there are screens"],
    ),
    "results into nowhere": (
        nothing,
        f"replay {DEMO} --results no/r.sqlite",
        ["no/r.sqlite: its folder does not exist"],
    ),
    "results into a folder": (
        folder("r"),
        f"replay {DEMO} --results r",
        ["r: is a folder", "name a file in it"],
    ),
    "a report into nowhere": (
        nothing,
        f"replay {DEMO} --report no/r.html",
        ["no/r.html: its folder does not exist"],
    ),
    "a report into a folder": (folder("r"), f"replay {DEMO} --report r", ["r: is a folder"]),
    "JSON into nowhere": (
        nothing,
        f"replay {DEMO} --json no/r.json",
        ["no/r.json: its folder does not exist"],
    ),
    "JSON into a folder": (folder("r"), f"replay {DEMO} --json r", ["r: is a folder"]),
    "a journal into nowhere": (
        nothing,
        f"replay {DEMO} --journal no/j.db",
        ["no/j.db: its folder does not exist"],
    ),
    "a journal into a folder": (folder("j"), f"replay {DEMO} --journal j", ["j: is a folder"]),
    "a name no disk can hold": (nothing, f"replay {DEMO} --results {'r' * 300}", ["name is too long"]),
    "a source no disk can hold": (nothing, f"replay {'r' * 300}", ["name is too long"]),
    "a data folder that is a file": (wrote(".watchkeeper", ""), f"replay {DEMO}", [".watchkeeper/"]),
    "a span backwards": (
        nothing,
        f"replay {DEMO} --from 2026-03-05 --until 2026-03-04",
        ["--from is not before --until", "exchange them"],
    ),
    "a wrong condition": (nothing, f"replay {DEMO} --fail-if recal<0.5", ["--fail-if 'recal<0.5'", "recall"]),
    "nothing to resume": (
        nothing,
        f"replay {DEMO} --resume",
        ["no stopped replay to go on from", "--resume"],
    ),
    "no results to explain from": (nothing, "explain d_1 --results r.sqlite", ["r.sqlite: no such file"]),
    "no results file to explain from": (
        wrote("r", "x" * 5000),
        "explain d_1 --results r",
        ["r: not a results file"],
    ),
    "a folder to explain from": (folder("r"), "explain d_1 --results r", ["r: not a results file"]),
    "no journal to explain from": (nothing, "explain d_1 --journal j.db", ["j.db: no such journal"]),
    "a missing journal": (nothing, "journal verify", ["journal.db: no such journal", "check the path"]),
    "no journal at all": (wrote("j", "hello" * 999), "journal tail --journal j", ["j: "]),
    "another database": (nothing, f"journal verify --journal {DEMO}", ["demo.wkr: "]),
    "wrong SQL": (nothing, "journal query nonsense", ["journal.db"]),
    "a missing recording to look into": (nothing, "recording info a.wkr", ["a.wkr", "no such file"]),
    "a truncated recording to look into": (truncated, "recording show a.wkr", ["a.wkr", "cut short"]),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_in_one_line_and_leaves_nothing(place, name):
    prepare, command, said = CASES[name]
    prepare(place)
    before = tree(place)
    result = here(*command.split())
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("watchkeeper: ")
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith("\n")
    for words in said:
        assert words in result.stderr
    assert tree(place) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "yesterday"], "'yesterday' is not a time: write 2026-03-02"),
        (["--until", ""], "'' is not a time"),
        (["--from", "2026-13-01"], "is not a time"),
        (["--speed", "fast"], "'fast' is not a speed"),
        (["--speed", "0"], "is not a speed"),
        (["--speed", "-1"], "is not a speed"),
        (["--speed", "nan"], "is not a speed"),
        (["--shards", "9"], "9 is not in the range 1<=x<=8"),
        (["--shards", "many"], "is not a valid integer"),
        (["--nosuch"], "--nosuch"),
        (["another"], "another"),
    ],
)
def test_a_wrong_option_shows_the_usage(place, words, said):
    result = here("replay", DEMO, *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage: watchkeeper replay ")
    assert said in result.stderr.splitlines()[-1]
    assert tree(place) == {}


def test_an_unknown_command_shows_the_usage(place):
    result = here("reply")
    assert result.exit_code == 2
    assert "No such command 'reply'" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
@pytest.mark.parametrize(
    ("command", "closed"),
    [
        ("replay a.wkr", "a.wkr"),
        (f"replay {DEMO} --policy config/policies", "config/policies/limits.yaml"),
        (f"replay {DEMO} --results shut/r.sqlite", "shut"),
        (f"replay {DEMO} --report shut/r.html", "shut"),
        ("explain d_1 --results a.wkr", "a.wkr"),
    ],
)
def test_what_may_not_be_read_or_written_is_named(place, command, closed):
    shutil.copytree(SHIPPED_POLICY.parent, place / "config")
    (place / "a.wkr").write_bytes(DEMO.read_bytes())
    (place / "shut").mkdir()
    (place / closed).chmod(0o000)
    try:
        result = here(*command.split())
    finally:
        (place / closed).chmod(0o700)
    assert result.exit_code == 2
    assert result.stderr.startswith("watchkeeper: ")
    assert result.stderr.count("\n") == 1
    assert Path(closed).name in result.stderr


@pytest.mark.parametrize("shards", [1, 2])
def test_damage_half_way_leaves_nothing(place, made, shards):
    recording = Recording(made)
    body, frame = bytearray(made.read_bytes()), recording.frames[len(recording.frames) // 2]
    body[frame.offset + frame.length // 2] ^= 1
    (place / "a.wkr").write_bytes(body)
    before = tree(place)
    words = f"replay a.wkr --shards {shards} --results r.sqlite --json o.json --report o.html --journal j.db"
    result = here(*words.split())
    assert result.exit_code == 2
    assert result.stderr.startswith(f"watchkeeper: a.wkr: group {frame.group} lane {frame.lane} at byte ")
    assert result.stderr.count("\n") == 1
    assert tree(place) == before


def test_the_installed_program_refuses_alike(place):
    for words in (["replay", "nowhere.wkr"], ["policy", "check", "nowhere"], ["explain", "d_1"]):
        done = run(*words, cwd=place)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == here(*words).stderr


def test_a_name_that_is_no_text_is_refused_in_one_line(place):
    done = run(b"replay".decode(), os.fsdecode(b"\xff\xfe.wkr"), cwd=place)
    assert done.returncode == 2
    assert done.stderr.startswith("watchkeeper: ")
    assert done.stderr.count("\n") == 1
