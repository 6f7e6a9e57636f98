"""The git runner, on real repositories made with the system's git."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from engine.adapters.runner_git import GitRunner
from engine.core.vocabulary.actions import Parameter
from engine.errors import EffectRefused, OutcomeUnknown, PolicyError, Stopped, WorldMovedOn
from tests.runners.effects import Bench, NotingWatch, action

pytestmark = pytest.mark.asyncio
RUNNER = GitRunner(protected=["main", "release/*"])
NAMES = {"branch": ("name",), "commit": ("message", "paths"), "revert": ("commit",)}


def of(operation, *, timeout_s=30, **settings):
    parameters = dict.fromkeys(NAMES[operation], Parameter(type="string"))
    given = {"operation": operation, **settings}
    return action(f"git.{operation}", "git", given, parameters=parameters, timeout_s=timeout_s)


BRANCH, COMMIT, REVERT = map(of, ("branch", "commit", "revert"))


class Repo:
    """A repository in a workspace, and git as a person would use it there."""

    def __init__(self, bench):
        self.bench, self.path = bench, bench.workspace
        self.git("init", "-q", "-b", "main")
        self.write("a.txt", "".join(f"{n}\n" for n in range(1, 21)))
        self.write("b.txt", "b\n")
        self.commit("first")
        self.git("checkout", "-q", "-b", "agent/work")

    def git(self, *arguments, check=True):
        home = self.path.parent
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
        for who in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{who}_NAME": "Ann", f"GIT_{who}_EMAIL": "ann@example.org"}
        return subprocess.run(
            ["git", *arguments], cwd=self.path, check=check, capture_output=True, text=True, env=env
        ).stdout.strip()

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def picture(self):
        """Refs, HEAD, status, and what is staged."""
        return (
            self.git("for-each-ref"),
            self.git("symbolic-ref", "HEAD"),
            self.git("status", "--porcelain=v2", "--untracked-files=all"),
            self.git("ls-files", "--stage"),
        )

    def everything(self):
        """Every byte below `.git`, except what reading may refresh."""
        files = (path for path in (self.path / ".git").rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in files if path.name != "index"}


@pytest.fixture
def repo(bench):
    return Repo(bench)


async def perform(repo, act, effect="d_1", watch=None, runner=RUNNER, **args):
    return await runner.perform(repo.bench.job(act, args, effect=effect, watch=watch))


async def undo(repo, act, of="d_1", effect="u_1", *, force=False):
    return await RUNNER.undo(repo.bench.job(act, effect=effect), of, force=force)


# ---------------------------------------------------------------- there and back


def change(repo):
    repo.write("a.txt", "changed\n")
    repo.write("new/c.txt", "c\n")
    (repo.path / "b.txt").unlink()


async def test_a_commit_holds_the_named_paths_and_nothing_else(repo):
    change(repo)
    repo.write("other.txt", "staged by a person\n")
    repo.git("add", "other.txt")
    result = await perform(repo, COMMIT, message="Change a", paths=["a.txt", "new", "b.txt"])
    assert result.success
    names = repo.git("show", "--name-status", "--format=", "HEAD").splitlines()
    assert names == ["M\ta.txt", "D\tb.txt", "A\tnew/c.txt"]
    assert repo.git("status", "--porcelain") == "A  other.txt"
    assert repo.git("fsck", "--strict") == ""


async def test_the_message_and_the_author_are_as_told(repo):
    change(repo)
    message = "-m evil\n\n--author=x <y>\n# not a comment\n$(touch pwned)"
    await perform(repo, COMMIT, message=message, paths=["a.txt"])
    assert repo.git("log", "-1", "--format=%B") == f"{message}\n\nWatchkeeper-Decision: d_1"
    assert repo.git("log", "-1", "--format=%an <%ae>") == "coder-1 <coder-1@watchkeeper.invalid>"
    named = of("commit", author={"name": "Bot\nparent 0 <x>", "email": "bot@example.org"})
    await perform(repo, named, effect="d_2", message="second", paths=["new"])
    assert repo.git("log", "-1", "--format=%an <%ae>") == "Botparent 0 x <bot@example.org>"


@pytest.mark.parametrize("staged", [False, True])
async def test_undo_of_a_commit_is_as_if_it_had_not_been(repo, staged):
    change(repo)
    if staged:
        repo.git("add", "a.txt", "new")
    before = repo.picture()
    await perform(repo, COMMIT, message="m", paths=["."])
    after = repo.picture()
    assert (await undo(repo, COMMIT)).success
    assert repo.picture() == before
    assert (await undo(repo, COMMIT, of="u_1", effect="u_2")).success
    assert repo.picture() == after


async def test_the_first_commit_of_all_can_be_undone(bench):
    repo = Repo.__new__(Repo)
    repo.bench, repo.path = bench, bench.workspace
    repo.git("init", "-q", "-b", "work")
    repo.write("a", "a")
    result = await perform(repo, COMMIT, message="m", paths=["a"])
    assert result.success, result
    assert repo.git("log", "--format=%s") == "m"
    assert (await undo(repo, COMMIT)).success
    assert repo.git("rev-parse", "-q", "--verify", "work", check=False) == ""
    assert repo.git("status", "--porcelain") == "?? a"


async def test_a_branch_and_back(repo):
    repo.write("a.txt", "not committed\n")
    before = repo.picture()
    assert (await perform(repo, BRANCH, name="agent/two")).success
    assert repo.git("symbolic-ref", "--short", "HEAD") == "agent/two"
    after = repo.picture()
    assert (await undo(repo, BRANCH)).success
    assert repo.picture() == before
    assert (await undo(repo, BRANCH, of="u_1", effect="u_2")).success
    assert repo.picture() == after


async def test_a_branch_from_a_protected_one_leaves_that_alone(repo):
    repo.git("checkout", "-q", "main")
    tip = repo.git("rev-parse", "main")
    assert (await perform(repo, BRANCH, name="agent/three")).success
    repo.write("a.txt", "x\n")
    assert (await perform(repo, COMMIT, effect="d_2", message="m", paths=["a.txt"])).success
    assert repo.git("rev-parse", "main") == tip


async def test_a_branch_without_switching(repo):
    await perform(repo, of("branch", switch=False), name="agent/two")
    assert repo.git("symbolic-ref", "--short", "HEAD") == "agent/work"
    assert repo.git("rev-parse", "agent/two") == repo.git("rev-parse", "HEAD")


async def test_a_revert_changes_files_and_back(repo):
    repo.write("a.txt", "".join(f"{n}\n" for n in ["one", *range(2, 21)]))
    first = repo.commit("one")
    repo.write("a.txt", "".join(f"{n}\n" for n in ["one", *range(2, 20), "twenty"]))
    repo.write("c.txt", "c\n")
    repo.commit("twenty")
    repo.write("untracked", "mine")
    before = repo.picture()
    assert (await perform(repo, REVERT, commit=first)).success
    assert (repo.path / "a.txt").read_text().splitlines()[::19] == ["1", "twenty"]
    assert repo.git("log", "-1", "--format=%s") == 'Revert "one"'
    assert repo.git("status", "--porcelain") == "?? untracked"
    after = repo.picture()
    assert (await undo(repo, REVERT)).success
    assert repo.picture() == before
    assert (repo.path / "a.txt").read_text().splitlines()[::19] == ["one", "twenty"]
    assert (await undo(repo, REVERT, of="u_1", effect="u_2")).success
    assert repo.picture() == after


async def test_a_revert_that_would_lose_work_is_refused(repo):
    repo.write("a.txt", "two\n")
    commit = repo.commit("two")
    repo.write("a.txt", "work in progress\n")
    before = repo.picture()
    with pytest.raises(EffectRefused, match="not uptodate"):
        await perform(repo, REVERT, commit=commit)
    assert repo.picture() == before
    assert (repo.path / "a.txt").read_text() == "work in progress\n"


async def test_a_revert_in_conflict_is_refused(repo):
    repo.write("a.txt", "two\n")
    commit = repo.commit("two")
    repo.write("a.txt", "three\n")
    repo.commit("three")
    before = repo.picture()
    with pytest.raises(EffectRefused, match="stand in the way"):
        await perform(repo, REVERT, commit=commit)
    assert repo.picture() == before


# ---------------------------------------------------------------- previews


@pytest.mark.parametrize(
    ("act", "args", "shown"),
    [
        (COMMIT, {"message": "m", "paths": ["a.txt", "new"]}, ["2 files changed", "+changed", "agent/work"]),
        (BRANCH, {"name": "agent/two"}, ["agent/two: no branch", "HEAD: refs/heads/agent/work"]),
        (REVERT, {"commit": "HEAD"}, ["a.txt", "-1"]),
    ],
)
async def test_a_preview_shows_it_and_leaves_no_trace(repo, act, args, shown):
    if act is not REVERT:
        change(repo)
    else:
        repo.write("a.txt", "1\n")
        repo.commit("second")
    before, every = repo.picture(), repo.everything()
    told = await RUNNER.preview(repo.bench.job(act, args))
    assert told.success, told.error
    for text in shown:
        assert text in told.output
    assert repo.everything() == every
    assert repo.picture() == before
    assert repo.bench.undo.list() == ()


async def test_a_preview_of_what_is_refused_says_why(repo):
    repo.git("checkout", "-q", "main")
    told = await RUNNER.preview(repo.bench.job(COMMIT, {"message": "m", "paths": ["a.txt"]}))
    assert "protected" in told.error


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


# ---------------------------------------------------------------- the world moved on


async def test_undo_of_a_commit_shows_what_came_after(repo):
    change(repo)
    await perform(repo, COMMIT, message="m", paths=["a.txt"])
    repo.commit("on top")
    before = repo.picture()
    with pytest.raises(WorldMovedOn, match=r"on top(.|\n)*new/c\.txt"):
        await undo(repo, COMMIT)
    assert repo.picture() == before


async def test_a_forced_undo_of_a_commit_is_a_commit_on_top(repo):
    change(repo)
    await perform(repo, COMMIT, message="m", paths=["a.txt"])
    tip = repo.commit("on top")
    assert (await undo(repo, COMMIT, force=True)).success
    assert repo.git("rev-parse", "HEAD~1") == tip
    assert (repo.path / "a.txt").read_text().startswith("1\n2\n")
    assert (await undo(repo, COMMIT, of="u_1", effect="u_2")).success
    assert repo.git("rev-parse", "HEAD") == tip
    assert (repo.path / "a.txt").read_text() == "changed\n"


async def test_undo_leaves_alone_what_was_staged_since(repo):
    change(repo)
    await perform(repo, COMMIT, message="m", paths=["a.txt"])
    repo.write("later.txt", "x")
    repo.git("add", "later.txt")
    assert (await undo(repo, COMMIT)).success
    assert "A  later.txt" in repo.git("status", "--porcelain")
    assert " M a.txt" in "\n" + repo.git("status", "--porcelain").replace("M a.txt", " M a.txt")


async def test_undo_of_a_branch_with_commits_on_it(repo):
    await perform(repo, BRANCH, name="agent/two")
    repo.write("a.txt", "x\n")
    tip = repo.commit("work on it")
    with pytest.raises(WorldMovedOn, match="work on it"):
        await undo(repo, BRANCH)
    with pytest.raises(EffectRefused, match="HEAD is on it"):
        await undo(repo, BRANCH, force=True)
    repo.git("checkout", "-q", "agent/work")
    assert (await undo(repo, BRANCH, force=True)).success
    assert repo.git("branch", "--list", "agent/two") == ""
    assert (await undo(repo, BRANCH, of="u_1", effect="u_2")).success
    assert repo.git("rev-parse", "agent/two") == tip


async def test_undo_of_what_somebody_took_back_does_nothing(repo):
    await perform(repo, of("branch", switch=False), name="agent/two")
    repo.git("branch", "-D", "agent/two")
    before = repo.picture()
    assert (await undo(repo, BRANCH)).success
    assert repo.picture() == before


async def test_undo_on_a_branch_that_is_protected_by_now_is_refused(repo):
    repo.write("a.txt", "x\n")
    await perform(repo, COMMIT, message="m", paths=["a.txt"])
    strict = GitRunner(protected=["agent/*"])
    with pytest.raises(EffectRefused, match="protected"):
        await strict.undo(repo.bench.job(COMMIT, effect="u_1"), "d_1", force=True)


# ---------------------------------------------------------------- stops and interruptions


async def test_nothing_moves_behind_a_stop(repo):
    change(repo)
    before = repo.picture()
    for act, args in ((COMMIT, {"message": "m", "paths": ["a.txt"]}), (BRANCH, {"name": "agent/two"})):
        with pytest.raises(Stopped):
            await perform(repo, act, effect=act.name, watch=NotingWatch(stopped=True), **args)
    assert repo.picture() == before
    assert not (repo.path / ".git/index.lock").exists()


async def test_doing_it_twice_is_doing_it_once(repo):
    change(repo)
    for act, args in (
        (BRANCH, {"name": "agent/two"}),
        (COMMIT, {"message": "m", "paths": ["a.txt"]}),
        (REVERT, {"commit": "HEAD"}),
    ):
        await perform(repo, act, effect=act.name, **args)
        after = repo.picture()
        assert (await perform(repo, act, effect=act.name, **args)).success
        assert repo.picture() == after


async def test_a_crash_before_the_index_is_finished_next_time(repo, monkeypatch):
    from engine.adapters.git_repository import Repository

    class Crash(BaseException):
        """Ends it in the middle."""

    def crash(*_):
        raise Crash

    change(repo)
    with monkeypatch.context() as patch:
        patch.setattr(Repository, "replace_index", crash)
        with pytest.raises(Crash):
            await perform(repo, COMMIT, message="m", paths=["."])
    assert repo.git("log", "-1", "--format=%s") == "m"
    assert repo.git("status", "--porcelain") != ""
    assert (await perform(repo, COMMIT, message="m", paths=["."])).success
    assert repo.git("status", "--porcelain") == ""


async def test_a_branch_that_moves_at_the_last_moment_is_not_overwritten(repo):
    change(repo)
    watch = NotingWatch()
    faster = repo.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "faster")
    watch.before = lambda: repo.git("update-ref", "refs/heads/agent/work", faster)
    with pytest.raises(EffectRefused, match="moved just now"):
        await perform(repo, COMMIT, watch=watch, message="m", paths=["a.txt"])
    assert repo.git("log", "-1", "--format=%s") == "faster"


def slow_git(folder: Path, monkeypatch, command: str) -> None:
    """Put a git in front of the real one that sleeps, with a child, in one command."""
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    folder.mkdir()
    (folder / "git").write_text(
        f'#!/bin/sh\ncase " $* " in *" {command} "*) sleep 60 & wait;; esac\nexec {real} "$@"\n'
    )
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def alive(group: int) -> bool:
    for process in psutil.process_iter(["status"]):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                return True
    return False


async def test_a_cancelled_effect_leaves_no_process(repo, tmp_path, monkeypatch):
    repo.write("a.txt", "x\n")
    before = repo.picture()
    slow_git(tmp_path / "bin", monkeypatch, "add")
    watch = NotingWatch()
    task = asyncio.ensure_future(perform(repo, COMMIT, watch=watch, message="m", paths=["a.txt"]))
    while not (watch.processes and alive(watch.processes[-1]) and len(watch.processes) > 5):
        await asyncio.sleep(0.02)
        assert not task.done(), task
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(alive(pid) for pid in watch.processes)
    monkeypatch.undo()
    assert repo.picture() == before


@pytest.mark.parametrize(("command", "touched"), [("add", False), ("update-ref", True)])
async def test_time_that_is_up(repo, tmp_path, monkeypatch, command, touched):
    repo.write("a.txt", "x\n")
    slow_git(tmp_path / "bin", monkeypatch, command)
    run = perform(repo, of("commit", timeout_s=1.5), message="m", paths=["a.txt"])
    if touched:
        with pytest.raises(OutcomeUnknown):
            await run
    else:
        assert "1.5 s" in (await run).error
    assert not (repo.path / ".git/index.lock").exists()


async def test_every_process_is_named_to_the_watch(repo):
    repo.write("a.txt", "x\n")
    watch = NotingWatch()
    await perform(repo, COMMIT, watch=watch, message="m", paths=["a.txt"])
    assert len(watch.processes) > 5
    assert not any(alive(pid) for pid in watch.processes)


async def test_a_machine_without_git_says_so(repo, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent / "nowhere"))
    with pytest.raises(EffectRefused, match="not installed"):
        await perform(repo, BRANCH, name="agent/two")
