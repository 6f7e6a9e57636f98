"""Histories of one's own: what the mapping says is what comes out, and every mistake names its place."""

import gzip
import json
import lzma
import re
from pathlib import Path

import pytest
import zstandard

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.units import parse_time
from engine.errors import RecordingError
from simulator.importers import import_source
from simulator.recording import EpisodeLabel, Label, Recording
from tests.importers.mappings import EVERYTHING, LINES, MANY, METRIC, PROPOSAL, ROWS


def facts(recording):
    return [fact for _, fact in recording.facts()]


def test_a_table_of_metrics(imported):
    assert [(fact.at_us, fact.series, fact.value) for fact in facts(imported(METRIC, ROWS))] == [
        (parse_time("2024-05-01T00:00:00Z"), "a", 1.5),
        (parse_time("2024-05-01T00:00:01Z"), "b", 2.0),
    ]


@pytest.mark.parametrize(
    "packed",
    [
        ROWS.encode(),
        b"\xef\xbb\xbf" + ROWS.replace("\n", "\r\n").encode(),
        gzip.compress(ROWS.encode()),
        lzma.compress(ROWS.encode()),
        zstandard.compress(ROWS.encode()),
        zstandard.compress(ROWS[:40].encode()) + zstandard.compress(ROWS[40:].encode()),
    ],
    ids=["plain", "windows", "gzip", "xz", "zstd", "two zstd frames"],
)
def test_compression_is_told_by_the_content(imported, packed):
    assert len(facts(imported(METRIC, packed))) == 2


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, zstandard.compress])
def test_a_source_cut_short_is_refused(imported, tmp_path, compress):
    packed = compress(MANY.encode())
    with pytest.raises(RecordingError, match=r"log.csv: cut short or damaged"):
        imported(METRIC, packed[: len(packed) * 2 // 3])
    assert not (tmp_path / "a.wkr").exists()


def test_a_damaged_source_is_refused(imported):
    packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(MANY.encode()))
    packed[-2] ^= 1
    with pytest.raises(RecordingError, match=r"log.csv: cut short or damaged"):
        imported(METRIC, bytes(packed))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("iso", "2024-05-01T02:00:00+02:00"),
        ("iso", "2024-05-01"),
        ("unix_s", "1714521600"),
        ("unix_s", "1714521600.000"),
        ("unix_ms", "1714521600000"),
        ("unix_us", "1714521600000000"),
        ("%d/%m/%Y %H:%M", "01/05/2024 00:00"),
        ("%Y%m%dT%H%M%S%z", "20240501T020000+0200"),
    ],
)
def test_times_in_every_format(imported, form, text):
    mapping = METRIC.replace("column: when", f'column: when, format: "{form}"')
    recording = imported(mapping, f"when,host,load\n{text},a,1\n")
    assert facts(recording)[0].at_us == parse_time("2024-05-01")


def test_every_kind_of_fact_and_label(imported):
    recording = imported(EVERYTHING, "".join(json.dumps(line) + "\n\n" for line in LINES))
    asked, came, said, up, down, hold, go, stop, clear, end = facts(recording)
    proposal = asked.proposal
    assert proposal.args == {
        "base": 1,
        "n": 3,
        "x": 2.5,
        "flag": True,
        "raw": {"a": [1]},
        "text": "3",
        "same": 2.5,
        "none": None,
        "kept": "",
        "fixed": [1, 2],
    }
    assert (proposal.proposal_id, proposal.agent, proposal.action, proposal.episode) == (
        "ask-1",
        "coder",
        "look",
        "",
    )
    assert (proposal.environment, proposal.confidence, proposal.rationale) == ("prod", 0.5, "because")
    assert (str(proposal.impact.cost_usd), proposal.impact.files, proposal.impact.api_calls) == ("0.10", 2, 3)
    assert (came.ok, came.by, came.detail) == (True, "executor", "")
    assert (said.source, said.text) == ("tool", "text")
    assert (up.capability, up.reason, down.capability) == ("heal@2", "proven", "heal")
    assert (hold.capability, hold.reason, go.capability) == ("heal", "", "heal")
    assert (str(stop.scope), str(clear.scope)) == ("agent:coder", "all")
    assert (end.episode, end.at_us) == ("e", 9_500_000)
    (label,) = recording.labels()
    assert label == Label(
        proposal_id="ask-1", unsafe=True, benign_episode=True, place="log.csv row 1 (line 1)"
    )
    (episode,) = recording.episode_labels()
    assert episode == EpisodeLabel(episode="e", benign=False, place="log.csv row 11 (line 21)")
    assert recording.header.notes == ("made up",)
    assert recording.footer.source_rows == 11


def test_rows_out_of_order_are_refused_or_sorted(imported):
    rows = "when,host,load\n" + "".join(f"2024-05-{d:02},h{d},{i}\n" for i, d in enumerate([3, 1, 2, 1]))
    with pytest.raises(RecordingError, match=r"row 2 \(line 3\) column 'when': .* is earlier .*`sort: true`"):
        imported(METRIC, rows)
    recording = imported(METRIC.replace("emit:", "sort: true\nemit:"), rows)
    assert [(fact.series, fact.value) for fact in facts(recording)] == [
        ("h1", 1),
        ("h1", 3),
        ("h2", 2),
        ("h3", 0),
    ]
    assert recording.footer.in_time_order


def test_sorting_knows_times_before_1970(imported):
    rows = "when,host,load\n1970-01-02,b,1\n1969-12-31,a,1\n"
    recording = imported(METRIC.replace("emit:", "sort: true\nemit:"), rows)
    assert [fact.series for fact in facts(recording)] == ["a", "b"]


def test_other_delimiters(imported):
    semicolons = METRIC.replace("format: csv", 'format: csv\ndelimiter: ";"')
    assert len(facts(imported(semicolons, ROWS.replace(",", ";")))) == 2
    assert len(facts(imported(METRIC.replace("csv", "tsv"), ROWS.replace(",", "\t")))) == 2


def test_a_mapping_that_takes_nothing_says_so(tmp_path):
    (tmp_path / "map.yaml").write_text(
        METRIC.replace("- metric", "- when: {column: host, equals: z}\n    metric")
    )
    (tmp_path / "log.csv").write_text(ROWS)
    summary = import_source(
        "generic", tmp_path / "log.csv", tmp_path / "a.wkr", mapping=tmp_path / "map.yaml"
    )
    assert summary.warnings == ("no row made a fact: check the `when` of each block",)


def test_a_registry_is_learnt_from_the_calls(imported):
    lines = [
        {"t": n, "do": "send_mail", "args": {"to": f"p{n}@x.org", "n": n, "tags": ["a"]}} for n in range(100)
    ]
    lines[7]["args"] |= {"cc": None}
    lines[8]["args"] |= {"cc": "x", "odd": 1}
    lines[9]["args"] |= {"cc": "y", "n": 0.5}
    lines += [{"t": 100 + n, "do": "get_page", "args": {"url": f"https://x.org/{n}"}} for n in range(20)]
    lines += [{"t": 200, "do": "removeAll", "args": {"path": "/a", "deep": True, "how": {}, "command": "ls"}}]
    recording = imported(PROPOSAL, "".join(json.dumps(line) + "\n" for line in lines))
    actions = {action.name: action for action in recording.header.actions}
    assert {name: (a.kind, a.risk.value) for name, a in actions.items()} == {
        "send_mail": ("write", "MEDIUM"),
        "get_page": ("read", "SAFE"),
        "removeAll": ("write", "HIGH"),
    }
    sent = actions["send_mail"].parameters
    assert (sent["to"].type, sent["to"].required) == ("email", True)
    assert sent["n"].type == "number"
    assert (sent["tags"].type, sent["tags"].items) == ("list", "string")
    assert (sent["cc"].type, sent["cc"].required, sent["cc"].nullable) == ("string", False, True)
    assert sent["odd"].required is False
    assert actions["get_page"].parameters["url"].type == "url"
    removed = actions["removeAll"].parameters
    assert {name: p.type for name, p in removed.items()} == {
        "path": "path",
        "deep": "boolean",
        "how": "object",
        "command": "command",
    }


def test_a_registry_may_be_given(imported):
    given = (
        "actions:\n  look: {summary: Look., kind: read, risk: SAFE, parameters: {at: {type: string}}}\nemit:"
    )
    (action,) = imported(METRIC.replace("emit:", given), ROWS).header.actions
    assert (action.name, action.kind, action.parameters["at"].type) == ("look", "read", "string")


PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "bring-your-own-history.md"


def test_the_how_to_does_what_it_shows(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from watchkeeper.cli import main

    page = PAGE.read_text()
    for name, body in re.findall(r"^```\w+ (\S+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(body)
    monkeypatch.chdir(tmp_path)
    commands = 0
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for command, shown in re.findall(r"^\$ watchkeeper (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            result = CliRunner().invoke(main, command.split())
            assert result.exit_code == 0, result.output
            pattern = re.escape(shown).replace("…", ".*")
            assert re.fullmatch(pattern, result.output), f"{command}\n{result.output}"
            commands += 1
    assert commands == 3
    assert isinstance(facts(Recording(tmp_path / "deploys.wkr"))[4], f.RolloutPaused)
