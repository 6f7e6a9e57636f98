"""`FORMAT:SRC` is imported once, and again when anything it was made from changes."""

import os

import pytest

from engine.errors import InputError, RecordingError
from simulator import sources
from simulator.sources import open_source
from tests.importers.mappings import METRIC, ROWS


@pytest.fixture
def log(tmp_path):
    """A table of two rows and the mapping that reads it."""
    (tmp_path / "log.csv").write_text(ROWS)
    (tmp_path / "map.yaml").write_text(METRIC)
    (tmp_path / "cache").mkdir()
    return tmp_path


@pytest.fixture
def imports(monkeypatch):
    """The sources that were really imported."""
    done, whole = [], sources.import_source

    def counted(name, src, *rest, **named):
        done.append(src)
        return whole(name, src, *rest, **named)

    monkeypatch.setattr(sources, "import_source", counted)
    return done


def opened(log, name="log.csv"):
    return open_source(f"generic:{log / name}", log / "cache", mapping=log / "map.yaml")


def test_the_same_source_is_imported_once(log, imports):
    first, second = opened(log), opened(log)
    assert first.footer.facts == 2
    assert first.path == second.path
    assert len(imports) == len(list((log / "cache").iterdir())) == 1


def test_a_source_that_was_only_touched_is_not_imported_again(log, imports):
    opened(log)
    os.utime(log / "log.csv", (0, 0))
    opened(log)
    assert len(imports) == 1


@pytest.mark.parametrize("changed", ["log.csv", "map.yaml"])
def test_a_source_that_changed_is_imported_again(log, imports, changed):
    before = opened(log)
    path = log / changed
    path.write_text(path.read_text().replace("b,2", "b,3").replace("format: csv", "format: csv # a table"))
    after = opened(log)
    assert before.path != after.path
    assert len(imports) == 2


@pytest.mark.parametrize("name", ["agentdojo_actions.csv.gz", "agentdojo_actions.csv", "log.csv-wal"])
def test_what_lies_beside_a_source_is_part_of_it(log, imports, name):
    opened(log)
    (log / name).write_bytes(b"")
    opened(log)
    (log / name).write_bytes(b"x")
    opened(log)
    assert len(imports) == 3


def test_a_newer_importer_imports_again(log, imports, monkeypatch):
    opened(log)
    beside = log / "newer"
    (beside / "importers").mkdir(parents=True)
    (beside / "importers" / "generic.py").write_text("# newer")
    monkeypatch.setattr(sources, "__file__", str(beside / "sources.py"))
    opened(log)
    assert len(imports) == 2


def test_a_failed_import_leaves_no_cache(log):
    (log / "log.csv").write_text(ROWS + "yesterday,a,4\n")
    with pytest.raises(RecordingError, match=r"log\.csv"):
        opened(log)
    assert list((log / "cache").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["nowhere.wkr", "nosuch:log.csv", ":", "C:\\history.wkr", "http://x.example/a.wkr"]
)
def test_what_is_neither_a_recording_nor_a_format_is_refused(log, name):
    with pytest.raises(InputError) as refused:
        open_source(name, log / "cache")
    assert str(refused.value).startswith(f"{name}: no such recording (")
    assert "govuk:" in str(refused.value)


@pytest.mark.parametrize("rest", ["", "nowhere.csv", "."])
def test_a_source_that_is_no_file_is_refused(log, rest, monkeypatch):
    monkeypatch.chdir(log)
    with pytest.raises(InputError, match="no such file"):
        open_source(f"generic:{rest}", log / "cache", mapping=log / "map.yaml")
    assert list((log / "cache").iterdir()) == []


def test_a_mapping_that_is_missing_is_named(log):
    (log / "map.yaml").unlink()
    with pytest.raises(InputError, match=r"map\.yaml"):
        opened(log)


def test_a_recording_is_opened_where_it_lies(recording, tmp_path):
    assert open_source(str(recording), tmp_path).path == recording
    assert list(tmp_path.iterdir()) == []
