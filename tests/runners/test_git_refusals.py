"""What the git runner refuses, and that nothing a hostile repository says is run."""

import asyncio
import os
import tempfile
from pathlib import Path

import pytest
import uvloop

from engine.core.vocabulary.actions import Parameter
from engine.errors import EffectRefused, PolicyError
from tests.runners.effects import Bench, action
from tests.runners.repositories import BRANCH, COMMIT, REVERT, RUNNER, Repo, of, perform, undo

pytestmark = pytest.mark.asyncio


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize("branch", ["main", "release/1"])
async def test_protected_branches_are_never_touched(repo, branch):
    repo.write("a.txt", "x\n")
    commit = repo.commit("x")
    repo.git("checkout", "-q", "-B", branch)
    repo.write("a.txt", "y\n")
    before = repo.picture()
    for act, args in (
        (COMMIT, {"message": "m", "paths": ["a.txt"]}),
        (REVERT, {"commit": commit}),
        (BRANCH, {"name": "release/2"}),
    ):
        with pytest.raises(EffectRefused, match="protected"):
            await perform(repo, act, **args)
    assert repo.picture() == before


async def test_another_name_for_a_protected_branch_is_protected(repo):
    repo.git("symbolic-ref", "refs/heads/agent/alias", "refs/heads/main")
    repo.git("symbolic-ref", "HEAD", "refs/heads/agent/alias")
    repo.write("a.txt", "y\n")
    before = repo.git("rev-parse", "main")
    with pytest.raises(EffectRefused, match=r"protected|another name"):
        await perform(repo, COMMIT, message="m", paths=["a.txt"])
    assert repo.git("rev-parse", "main") == before


@pytest.mark.parametrize(
    ("act", "args", "said"),
    [
        (COMMIT, {"message": " ", "paths": ["a.txt"]}, "message is empty"),
        (COMMIT, {"message": "m", "paths": []}, "at least one"),
        (COMMIT, {"message": "m", "paths": ["b.txt"]}, "nothing has changed"),
        (COMMIT, {"message": "m", "paths": ["no.txt"]}, "did not match"),
        (COMMIT, {"message": "m", "paths": ["*.txt"]}, "did not match"),
        (COMMIT, {"message": "m", "paths": [":(glob)**"]}, "did not match"),
        (COMMIT, {"message": "m", "paths": ["--chmod=+x"]}, "did not match"),
        (COMMIT, {"message": "m", "paths": ["../out"]}, "not a path inside"),
        (COMMIT, {"message": "m", "paths": ["/etc/passwd"]}, "outside repository"),
        (COMMIT, {"message": "m", "paths": ["link/passwd"]}, "beyond a symbolic link"),
        (COMMIT, {"message": "m", "paths": ["ignored.log"]}, "ignored"),
        (COMMIT, {"message": "a\0b", "paths": ["a.txt"]}, "NUL"),
        (BRANCH, {"name": "agent/work"}, "there already"),
        (BRANCH, {"name": "-d"}, "not a name"),
        (BRANCH, {"name": "a..b"}, "not a name"),
        (BRANCH, {"name": "@{-1}"}, "not a name"),
        (BRANCH, {"name": "HEAD"}, "not a name"),
        (REVERT, {"commit": "--all"}, "no such commit"),
        (REVERT, {"commit": "HEAD:a.txt"}, "no such commit"),
        (REVERT, {"commit": "0" * 40}, "no such commit"),
    ],
)
async def test_what_cannot_be_done_is_refused(repo, act, args, said):
    repo.write(".gitignore", "*.log\n")
    (repo.path / "link").symlink_to("/etc")
    repo.commit("ignore")
    repo.write("a.txt", "x\n")
    repo.write("ignored.log", "x\n")
    before = repo.picture()
    with pytest.raises(EffectRefused, match=said):
        await perform(repo, act, **args)
    assert repo.picture() == before


async def test_a_merge_or_rebase_under_way_is_left_alone(repo):
    for name, what in (("MERGE_HEAD", "a merge"), ("rebase-merge", "a rebase"), ("BISECT_LOG", "bisection")):
        (repo.path / ".git" / name).mkdir()
        with pytest.raises(EffectRefused, match=what):
            await perform(repo, BRANCH, name="agent/two")
        (repo.path / ".git" / name).rmdir()


async def test_a_detached_head_is_refused(repo):
    repo.git("checkout", "-q", "--detach")
    repo.write("a.txt", "x\n")
    with pytest.raises(EffectRefused, match="no branch"):
        await perform(repo, COMMIT, message="m", paths=["a.txt"])


async def test_a_lock_of_another_git_is_respected(repo):
    repo.write("a.txt", "x\n")
    before = repo.picture()
    (repo.path / ".git/index.lock").write_text("")
    with pytest.raises(EffectRefused, match="another git"):
        await perform(repo, COMMIT, message="m", paths=["a.txt"])
    assert (repo.path / ".git/index.lock").exists()
    (repo.path / ".git/index.lock").unlink()
    assert repo.picture() == before


@pytest.mark.parametrize("inner", ["logs/HEAD", "logs/refs/heads", "refs/heads/agent", "objects/pack"])
async def test_a_repository_with_a_way_out_in_it_is_refused(repo, tmp_path, inner):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("not theirs\n")
    way = repo.path / ".git" / inner
    target = outside / "file" if inner == "logs/HEAD" else outside
    if way.is_dir():
        way.rename(tmp_path / "aside")
    way.unlink(missing_ok=True)
    way.symlink_to(target)
    repo.write("a.txt", "y\n")
    for act, args in ((BRANCH, {"name": "agent/new"}), (COMMIT, {"message": "m", "paths": ["a.txt"]})):
        with pytest.raises(EffectRefused, match="is a link"):
            await perform(repo, act, **args)
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "not theirs\n"


async def test_a_repository_elsewhere_is_refused(repo, tmp_path):
    inner = repo.path / "inner"
    inner.mkdir()
    act = of("commit", repository="inner")
    (inner / ".git").write_text("gitdir: ../.git\n")
    with pytest.raises(EffectRefused, match="not a git repository"):
        await perform(repo, act, message="m", paths=["x"])
    (inner / ".git").unlink()
    (inner / ".git").symlink_to("../.git")
    with pytest.raises(EffectRefused, match="not a git repository"):
        await perform(repo, act, message="m", paths=["x"])
    (repo.path / "linked").symlink_to(tmp_path)
    with pytest.raises(EffectRefused, match="is a link"):
        await perform(repo, of("commit", repository="linked"), message="m", paths=["x"])
    (repo.path / ".git/objects/info/alternates").write_text(f"{tmp_path}\n")
    with pytest.raises(EffectRefused, match="borrows"):
        await perform(repo, COMMIT, message="m", paths=["x"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"operation": "push"}, "push"),
        ({"operation": "branch", "repository": "../x"}, "inside the workspace"),
        ({"operation": "branch", "author": {"name": "x"}}, "email"),
        ({"operation": "revert"}, "'commit'"),
    ],
)
async def test_settings_that_cannot_work_are_found_at_load(settings, said):
    with pytest.raises(PolicyError, match=said):
        RUNNER.check(action("g", "git", settings, parameters={"name": Parameter(type="string")}))


# ---------------------------------------------------------------- a hostile repository


async def test_nothing_that_the_repository_says_is_run(repo):
    """Every way we know in which a repository names a program, each writing a file when it is run."""
    trap = repo.path.parent / "trap"
    sprung = repo.path.parent / "sprung"
    trap.write_text(f'#!/bin/sh\necho "$0 $*" >> {sprung}\ncat\n')
    trap.chmod(0o755)
    hooks = repo.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in (
        "pre-commit", "commit-msg", "post-commit", "prepare-commit-msg", "reference-transaction",
        "post-checkout", "post-index-change", "fsmonitor-watchman", "post-rewrite", "pre-auto-gc",
    ):  # fmt: skip
        (hooks / name).symlink_to(trap)
    for key, value in {
        "core.fsmonitor": str(trap), "core.editor": str(trap), "core.pager": str(trap),
        "core.sshCommand": str(trap), "core.askPass": str(trap), "core.alternateRefsCommand": str(trap),
        "core.hooksPath": str(hooks), "diff.external": str(trap), "diff.evil.command": str(trap),
        "diff.evil.textconv": str(trap), "merge.evil.driver": f"{trap} %A", "gpg.program": str(trap),
        "commit.gpgSign": "true", "credential.helper": str(trap), "alias.add": f"!{trap}",
        "interactive.diffFilter": str(trap), "trailer.x.command": str(trap), "pager.diff": str(trap),
        "remote.origin.url": f"ext::{trap}", "protocol.ext.allow": "always",
        "extensions.partialClone": "origin", "remote.origin.promisor": "true",
    }.items():  # fmt: skip
        repo.git("config", key, value)
    repo.write(".gitattributes", "*.txt diff=evil merge=evil\n")
    repo.write("a.txt", "changed\n")
    for number, (act, args) in enumerate((
        (BRANCH, {"name": "agent/two"}),
        (COMMIT, {"message": "m", "paths": ["a.txt", ".gitattributes"]}),
        (REVERT, {"commit": "HEAD"}),
    )):  # fmt: skip
        job = repo.bench.job(act, args, effect=f"d_{number}")
        assert (await RUNNER.preview(job)).success
        assert (await RUNNER.perform(job)).success
    with pytest.raises(EffectRefused, match="no such commit"):
        await perform(repo, REVERT, effect="d_9", commit="1" * 40)
    for number in (2, 1, 0):
        assert (await undo(repo, COMMIT, of=f"d_{number}", effect=f"u_{number}")).success
    assert not sprung.exists(), sprung.read_text()


async def test_a_file_that_wants_a_filter_is_refused(repo):
    repo.git("config", "filter.evil.clean", "touch sprung; cat")
    repo.write(".gitattributes", "*.bin filter=evil\n")
    repo.write("x.bin", "x")
    with pytest.raises(EffectRefused, match="filter 'evil'"):
        await perform(repo, COMMIT, message="m", paths=["x.bin"])
    assert not (repo.path / "sprung").exists()


async def test_the_environment_does_not_lead_elsewhere(repo, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.bare")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "maybe")
    repo.write("a.txt", "x\n")
    assert (await perform(repo, COMMIT, message="m", paths=["a.txt"])).success


async def test_line_ends_are_kept_as_the_repository_wants(repo):
    repo.git("config", "core.autocrlf", "input")
    (repo.path / "dos.txt").write_bytes(b"a\r\nb\r\n")
    await perform(repo, COMMIT, message="m", paths=["dos.txt"])
    assert repo.git("cat-file", "-s", "HEAD:dos.txt") == "4"
    assert repo.git("status", "--porcelain") == ""


async def test_a_repository_with_the_longer_hash(bench):
    repo = Repo.__new__(Repo)
    repo.bench, repo.path = bench, bench.workspace
    repo.git("init", "-q", "-b", "work", "--object-format=sha256")
    repo.write("a", "a")
    repo.commit("first")
    repo.write("a", "b")
    repo.write("c", "c")
    before = repo.picture()
    assert (await perform(repo, COMMIT, message="m", paths=["."])).success
    assert (await undo(repo, COMMIT)).success
    assert repo.picture() == before
    assert len(repo.git("rev-parse", "HEAD")) == 64


def repo_for_everybody(place):
    place.chmod(0o755)
    return Repo(Bench(place))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work on what belongs to somebody else")
async def test_it_works_as_the_owner_on_the_workers_loop_too():
    """Programs in the sandbox leave a workspace that is not root's, and uvloop takes no `user`."""
    with tempfile.TemporaryDirectory() as place:
        repo = repo_for_everybody(Path(place))
        repo.write("a.txt", "x\n")
        for path in [repo.path, *repo.path.rglob("*")]:
            os.lchown(path, 1234, 1234)
        commit = perform(repo, COMMIT, message="m", paths=["a.txt"])
        assert (await asyncio.to_thread(lambda: uvloop.run(commit))).success
        assert {path.lstat().st_uid for path in repo.path.rglob("*")} == {1234}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work on what belongs to somebody else")
async def test_what_root_makes_belongs_to_the_owner():
    # Not in pytest's own folder: others may not look into that.
    with tempfile.TemporaryDirectory() as place:
        repo = repo_for_everybody(Path(place))
        repo.write("a.txt", "x\n")
        for path in [repo.path, *repo.path.rglob("*")]:
            os.lchown(path, 1234, 1234)
        assert (await perform(repo, COMMIT, message="m", paths=["a.txt"])).success
        assert (await undo(repo, COMMIT)).success
        assert {path.lstat().st_uid for path in (repo.path / ".git").rglob("*")} == {1234}
