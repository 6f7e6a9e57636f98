"""Snapshots on pages: what there is, taking one, and bringing one back when the captain said so twice."""

import re

from engine.adapters.machine_time import now_us
from engine.adapters.snapshot_store import SnapshotStore

SAY = "/console/say"


def taken(bridge):
    """Take a snapshot of the workspace, then change it."""
    workspace = bridge.service.workspace
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / "kept.txt").write_text("as it was")
    info = SnapshotStore(bridge.layout.snapshots).create(
        {"workspace": workspace}, journal=None, exclude=(), apart=(bridge.layout.home,), now_us=now_us()
    )
    (workspace / "kept.txt").write_text("spoiled")
    (workspace / "new.txt").write_text("made since")
    return workspace, info.snapshot_id


def test_the_page_lists_and_says_what_would_change_and_each_role_gets_its_buttons(bridge):
    with bridge.client("vic") as vic:
        assert "There is none yet" in vic.get("/snapshots").text
    _, snapshot_id = taken(bridge)
    with bridge.client("vic") as vic, bridge.client("cat") as cat, bridge.client("ray") as ray:
        for client, buttons in ((vic, 0), (ray, 1), (cat, 2)):
            page = client.get("/snapshots?now").text
            assert snapshot_id in page
            assert len(re.findall('name="line" value="(?:snapshot|restore .*)"', page)) == buttons
        changes = vic.get(f"/snapshots/{snapshot_id}").text
        assert "~ kept.txt" in changes
        assert "- new.txt" in changes
        assert vic.get("/snapshots/s-none").status_code in {404, 422}


def test_a_captain_brings_one_back_after_being_asked(bridge):
    workspace, snapshot_id = taken(bridge)
    line = {"line": f"restore {snapshot_id}"}
    with bridge.client("ray") as ray:
        assert "takes a captain" in ray.post(SAY, data=line).text
    with bridge.client("cat") as cat:
        asked = cat.post(SAY, data=line | {"key": "one"}).text
        assert (workspace / "kept.txt").read_text() == "spoiled"
        assert "~ kept.txt" in asked
        sure = re.search('value="(yes [0-9a-f]+)"', asked)
        assert sure, asked
        cat.post(SAY, data={"line": sure[1], "key": "two"})
        assert (workspace / "kept.txt").read_text() == "as it was"
        assert not (workspace / "new.txt").exists()
        assert f"workspace of {snapshot_id}, by cat" in cat.get("/snapshots?again").text
