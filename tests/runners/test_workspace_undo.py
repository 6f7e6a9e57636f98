"""Putting a workspace back happens at the fence, not after it."""

import contextlib

from engine.adapters.workspace_undo import save_after, save_before, take_back
from tests.runners.programs import FolderLog


def test_nothing_is_put_back_once_the_fence_is_left(tmp_path):
    workspace, log = tmp_path / "workspace", FolderLog(tmp_path / "undo")
    workspace.mkdir()
    (workspace / "note").write_text("before")
    before = save_before(log, "effect-1", workspace, most_bytes=1 << 20)
    (workspace / "note").write_text("after")
    save_after(log, "effect-1", workspace, before)
    seen = []

    @contextlib.contextmanager
    def starting():
        seen.append((workspace / "note").read_text())
        yield
        seen.append((workspace / "note").read_text())

    take_back(log, "undo-1", "effect-1", workspace, force=False, most_bytes=1 << 20, starting=starting)
    assert seen == ["after", "before"]
