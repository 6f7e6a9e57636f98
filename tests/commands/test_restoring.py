"""A workspace that was brought back is in the journal, whatever becomes of the engine meanwhile."""

import pytest

from engine.adapters.machine_time import now_us
from engine.adapters.restore_notes import read_notes
from engine.adapters.snapshot_store import SnapshotStore
from engine.commands import catalogue as c
from engine.commands import working
from engine.commands.model import Account, Asker
from engine.core.vocabulary.facts import SnapshotRestored, decode
from engine.core.vocabulary.ids import PersonId
from tests.commands.desks import at_desk, desk_alone

pytestmark = pytest.mark.asyncio
ADA = Asker(
    person=PersonId("ada"), role="captain", account=Account(front="terminal", account_id="ada", name="ada")
)
LATEST = c.Restore(snapshot_id="latest")


def taken(home):
    workspace = home / "workspace"
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / "kept.txt").write_text("as it was")
    SnapshotStore(home / "snapshots").create(
        {"workspace": workspace}, journal=None, exclude=(), apart=(home,), now_us=now_us()
    )
    (workspace / "kept.txt").write_text("spoiled")
    return workspace / "kept.txt"


async def test_an_engine_that_answers_has_it_and_nothing_is_left_to_tell(tmp_path):
    async with at_desk(tmp_path) as given:
        kept = taken(tmp_path)
        reply = await working.restore(given.desk.tools, ADA, LATEST)
        assert (reply.tone, kept.read_text()) == ("good", "as it was")
        (record,) = given.desk.tools.journal().facts("snapshot_restored").records
        assert isinstance(fact := decode(record.body), SnapshotRestored)
        assert (fact.by, fact.parts) == ("ada", ("workspace",))
    assert read_notes(tmp_path) == []


async def test_an_engine_that_is_gone_finds_it_noted(tmp_path):
    async with at_desk(tmp_path) as given:
        fence = given.desk.tools.fence
    async with desk_alone(tmp_path, fence) as alone:
        kept = taken(tmp_path)
        reply = await working.restore(alone.desk.tools, ADA, LATEST)
    assert (reply.tone, kept.read_text()) == ("warning", "as it was")
    assert "is noted" in reply.footer
    (note,) = read_notes(tmp_path)
    assert (note.fact.by, note.fact.snapshot_id) == ("ada", note.key.split(":")[1])
