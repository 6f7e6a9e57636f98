"""`watchkeeper kill` when the engine cannot take word of it."""

from click.testing import CliRunner

from engine.errors import StorageError
from engine.runtime import client
from watchkeeper.commands_override import kill


def test_a_journal_that_cannot_be_written_makes_no_stop_fail(tmp_path, monkeypatch):
    async def refuses(*_, **__):
        raise StorageError("the disk is full", cure="free space")

    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path))
    monkeypatch.setattr(client, "reachable", refuses)
    said = CliRunner().invoke(kill, ["--reason", "a drill"])
    assert (said.exit_code, said.exception) == (0, None), said.output
    assert "the engine journals the stop when it can: the disk is full (free space)" in said.output
    assert [path.name for path in (tmp_path / "stops").iterdir()] == ["all"]
