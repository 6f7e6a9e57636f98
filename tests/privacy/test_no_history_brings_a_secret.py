"""A secret anywhere in a log that is imported is in no recording, no replay, no report and on no terminal."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine.core.vocabulary.facts import encode
from engine.errors import RecordingError
from simulator.importers import import_source
from simulator.recording import Recording
from tests.importers.logs import lines
from tests.importers.test_conversations import AGENTS
from tests.privacy.planting import Planter
from tests.privacy.test_no_route_keeps_a_secret import leaks
from watchkeeper.cli import main

Steps = tuple[str | int, ...]


def texts_of(value: Any, steps: Steps = ()) -> Iterator[tuple[Steps, str]]:
    """Every text in a record, and where."""
    if isinstance(value, str):
        yield steps, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts_of(inner, (*steps, key))
    elif isinstance(value, list):
        for nth, inner in enumerate(value):
            yield from texts_of(inner, (*steps, nth))


def put(records: list[Any], steps: Steps, value: Any) -> list[Any]:
    """The same records with this value there."""
    changed = copy.deepcopy(records)
    inside: Any = changed
    for step in steps[:-1]:
        inside = inside[step]
    inside[steps[-1]] = value
    return changed


def everything_in(path: Path) -> bytes:
    """A recording in clear: it is compressed."""
    recording = Recording(path)
    said = [encode(fact) for _, fact in recording.facts()]
    said += [repr(label).encode() for label in recording.labels()]
    said += [repr(recording.header).encode(), repr(recording.footer).encode()]
    return b"\n".join(said)


@pytest.mark.slow
@pytest.mark.parametrize("format_name", AGENTS)
def test_a_secret_in_any_text_of_a_log_is_not_in_its_recording(format_name: str, tmp_path: Path) -> None:
    planter, records, taken = Planter(31), AGENTS[format_name], 0
    out = tmp_path / "a.wkr"
    for steps, text in texts_of(records):
        nested = text.startswith(("{", "["))
        for said in (planter.text(), f"{text} {planter.text()}", f'{{"x": "{planter.name()}"}}'):
            value = text.replace('": "', f'": "{planter.name()} ', 1) if nested else said
            (tmp_path / "log.jsonl").write_bytes(lines(put(records, steps, value)))
            try:
                import_source(format_name, tmp_path / "log.jsonl", out)
            except RecordingError:
                continue
            taken += 1
            assert leaks({"recording": everything_in(out)}, planter.made) == [], (steps, value)
    assert taken > 20, "what every place refuses would prove nothing"


@pytest.mark.slow
@pytest.mark.parametrize("format_name", AGENTS)
def test_nor_in_a_replay_its_report_or_what_is_printed(format_name: str, tmp_path: Path) -> None:
    planter, records = Planter(32), AGENTS[format_name]
    for steps, text in texts_of(AGENTS[format_name]):
        if " " in text and text[0].isalpha():
            records = put(records, steps, f"{text} {planter.text()}")
    home, log = tmp_path / "home", tmp_path / "log.jsonl"
    log.write_bytes(lines(records))
    shown = []
    for words in (
        ["replay", "--report", str(tmp_path / "report.html"), "--json", str(tmp_path / "summary.json")],
        ["discover", "--json", str(tmp_path / "discover.json"), "--write", str(tmp_path / "suggested")],
    ):
        command, *options = words
        told = CliRunner().invoke(
            main, [command, f"{format_name}:{log}", *options], env={"WATCHKEEPER_HOME": str(home)}
        )
        assert told.exit_code == 0, told.output
        shown.append(told.output.encode())
    found = json.loads((tmp_path / "summary.json").read_bytes())
    assert found["decisions"] > 0
    explained = CliRunner().invoke(main, ["explain", found["example"]], env={"WATCHKEEPER_HOME": str(home)})
    kept = {
        str(path.relative_to(tmp_path)): everything_in(path) if path.suffix == ".wkr" else path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and path != log
    }
    assert "report.html" in kept
    assert any(name.endswith(".wkr") for name in kept)
    assert len(planter.made) >= 2
    assert leaks(kept | {"shown": b"\n".join([*shown, explained.output.encode()])}, planter.made) == []


def test_what_stands_behind_a_key_that_says_so_goes_whatever_its_shape(tmp_path: Path) -> None:
    records = copy.deepcopy(AGENTS["claude-code"])
    for record in records:
        for part in record.get("message", {}).get("content", ()):
            if isinstance(part, dict) and part.get("name") == "Bash":
                part["name"] = "mcp__db__connect"
                part["input"] = {"password": "hunter2-horse-staple", "host": "db1"}
    (tmp_path / "log.jsonl").write_bytes(lines(records))
    import_source("claude-code", tmp_path / "log.jsonl", tmp_path / "a.wkr")
    said = everything_in(tmp_path / "a.wkr")
    assert b"db1" in said
    assert b"hunter2" not in said
