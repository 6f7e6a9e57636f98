"""Mistakes in a mapping or in a source are one line with the place and the cure, and leave nothing behind."""

import json

import pytest

from engine.errors import InputError, RecordingError
from simulator.importers import import_source
from tests.importers.mappings import EVERYTHING, LINES, METRIC, PROPOSAL, ROWS


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "column: host",
            "column: hots",
            r"map.yaml:5: no column 'hots' in log.csv \(the columns .*: when, host, load",
        ),
        ("column: when", "column: wen", r"map.yaml:3: no column 'wen'"),
        ("metric:", "metrik:", r"map.yaml:5: unknown key 'emit.0.metrik'"),
        ("{column: host}", "{colum: host}", r"map.yaml:5: unknown key .*known here: column, default"),
        ("{column: host}", "{}", r"map.yaml:5: .*give exactly one of column, value or template"),
        ("{column: host}", "{column: host, value: 1}", r"not column, value"),
        ("{column: host}", '{template: "{host"}', r"map.yaml:5: .*'\{' in|expected '\}'"),
        ("{column: host}", '{template: "{host!r}"}', r"map.yaml:5: .*write \{column\}"),
        ("{column: host}", '{template: "{}"}', r"map.yaml:5: .*write \{column\}"),
        ("format: csv", "format: excel", r"map.yaml:2: format: .*'csv', 'tsv' or 'jsonl', not 'excel'"),
        ("format: csv", "format: csv\nformat: csv", r"map.yaml:3: not valid YAML: .*duplicate"),
        ("column: when", "column: when, format: soon", r"map.yaml:3: time: give iso, unix_s"),
        ("emit:", "infer: true\nactions: {a: {summary: A, kind: read, risk: SAFE}}\nemit:", r"not both"),
        ("- metric:", "- when: {column: a}\n    metric:", r"exactly one of equals, in or not_in"),
        ("- metric:", "- when: {column: a, equals: 1, in: [1]}\n    metric:", r"not equals, in"),
        (
            "- metric:",
            "- when: {column: a, equal: 1}\n    metric:",
            r"known here: column, equals, in, not_in",
        ),
        (
            "- metric:",
            "- episode_closed: {episode: {value: e}}\n    metric:",
            r"give exactly one of proposal",
        ),
        ("{series: {column: host}, value: {column: load}}", "", r"map.yaml:5: .*metric: give its fields"),
        ("  - metric: {series: {column: host}, value: {column: load}}", "  []", r"at least 1 item"),
    ],
)
def test_mistakes_in_the_mapping_name_their_line(imported, tmp_path, old, new, said):
    with pytest.raises(RecordingError, match=said) as caught:
        imported(METRIC.replace(old, new), ROWS)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.wkr").exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "log.csv: the file is empty"),
        ("when,host,when\n", "two columns are called 'when'"),
        (
            "when,host,load\nsoon,a,1\n",
            r"row 1 \(line 2\) column 'when': 'soon' is not a time in the format 'iso'",
        ),
        ("when,host,load\n,a,1\n", r"row 1 .*column 'when': the time is empty"),
        ("when,host,load\n2024-05-01,,1\n", r"row 1 .*column 'host': series needs it, and it is empty"),
        (
            "when,host,load\n2024-05-01,a,much\n",
            r"row 1 .*column 'load': value: 'much' is wrong: could not convert",
        ),
        ("when,host,load\n2024-05-01,a,nan\n", r"column 'load': value: 'nan' is wrong: not a finite number"),
        ("when,host,load\n2024-05-01,a\n", r"row 1 \(line 2\): 2 cells where there are 3 columns"),
        ('when,host,load\n2024-05-01,a,"1\n', r"line 2: not a table"),
        (b"when,host,load\n2024-05-01,\xff,1\n", r"not UTF-8 text"),
    ],
)
def test_mistakes_in_a_row_name_row_and_column(imported, tmp_path, rows, said):
    with pytest.raises(RecordingError, match=said) as caught:
        imported(METRIC, rows)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.wkr").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"who": None},
            r"row 1 \(line 1\) column 'who.name': agent needs it.*the columns this row has: t, k, who",
        ),
        ({"n": 1.5}, r"column 'n': n: '1.5' is wrong: not a whole number"),
        ({"n": True}, r"column 'n': n: 'true' is wrong: not a whole number"),
        ({"x": [1]}, r"column 'x': x: '\[1\]' is wrong"),
        ({"x": True}, r"column 'x': x: 'true' is wrong"),
        ({"flag": "maybe"}, r"column 'flag': flag: 'maybe' is wrong: neither yes nor no"),
        ({"raw": "{"}, r"column 'raw': raw: '\{' is wrong: not JSON"),
        ({"extra": "[1]"}, r"column 'extra': args_from: '\[1\]' is wrong: not a JSON object"),
        ({"cost": "free"}, r"column 'cost': cost_usd: 'free' is wrong: not a number"),
        ({"cost": "-1"}, r"row 1 \(line 1\): proposal: cost_usd must be from 0"),
        ({"sure": 2}, r"row 1 \(line 1\): proposal: confidence must be from 0 to 1"),
        ({"cost": {"usd": 1}}, r"column 'cost': cost_usd: .* is wrong: not a number"),
        ({"k": "say"}, r"column 'who.role': source: 'coder' is wrong: it must be person, tool or agent"),
        (
            {"k": "stop", "scope": "everything"},
            r"column 'scope': scope: 'everything' is wrong: it must be all",
        ),
        ({"k": "end"}, r"column 'flag': benign: 'perhaps' is neither yes nor no"),
        ({"t": 10**18}, r"column 't': .* is outside the years 1 to 9999"),
        ({"t": "now"}, r"column 't': 'now' is not a time in the format 'unix_s'"),
    ],
)
def test_mistakes_in_a_line_name_row_and_name(imported, change, said):
    line = LINES[0] | {"who": {"name": "coder", "role": "coder"}} | change
    if change.get("k") == "end":
        line["flag"] = "perhaps"
    with pytest.raises(RecordingError, match=said):
        imported(EVERYTHING, json.dumps(line) + "\n")


def test_a_name_no_line_has_is_a_mistake_in_the_mapping(imported, tmp_path):
    mapping = EVERYTHING.replace("column: env}", "column: enviroment}")
    with pytest.raises(
        RecordingError, match=r"map.yaml:\d+: no line of log.csv has 'enviroment' \(the names .*: t, k,"
    ):
        imported(mapping, "".join(json.dumps(line) + "\n" for line in LINES))
    assert not (tmp_path / "a.wkr").exists()


def test_a_line_that_is_no_object_is_refused(imported):
    with pytest.raises(RecordingError, match=r"row 2 \(line 2\): not a JSON object"):
        imported(PROPOSAL, '{"t": 1, "do": "x", "args": {}}\n[1]\n')


def test_the_generic_format_needs_its_mapping(tmp_path):
    (tmp_path / "log.csv").write_text(ROWS)
    with pytest.raises(RecordingError, match="needs a mapping"):
        import_source("generic", tmp_path / "log.csv", tmp_path / "a.wkr")
    with pytest.raises(RecordingError, match=r"none.yaml: cannot be read"):
        import_source("generic", tmp_path / "log.csv", tmp_path / "a.wkr", mapping=tmp_path / "none.yaml")


def test_wrong_calls_are_refused(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(ROWS)
    with pytest.raises(InputError, match="no format 'exel'"):
        import_source("exel", path, tmp_path / "a.wkr")
    with pytest.raises(InputError, match="takes no mapping"):
        import_source("govuk", path, tmp_path / "a.wkr", mapping=path)
    with pytest.raises(RecordingError, match="would replace its own source"):
        import_source("govuk", path, path)
    with pytest.raises(RecordingError, match="no such file"):
        import_source("govuk", tmp_path / "none.csv", tmp_path / "a.wkr")
    with pytest.raises(RecordingError, match="not a file"):
        import_source("govuk", tmp_path, tmp_path / "a.wkr")
    assert path.read_text() == ROWS


def test_a_line_without_end_is_refused(imported, monkeypatch):
    monkeypatch.setattr("simulator.importers.source.MOST_LINE_BYTES", 100)
    with pytest.raises(RecordingError, match="line 1: longer than 100 bytes"):
        imported(PROPOSAL, '{"a": "' + "x" * 200)
