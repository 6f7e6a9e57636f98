"""The git runner, on real repositories: there, back, and what it says beforehand."""

import pytest

from engine.adapters.runner_git import GitRunner
from engine.errors import EffectRefused, WorldMovedOn
from tests.runners.repositories import BRANCH, COMMIT, REVERT, RUNNER, Repo, change, of, perform, undo

pytestmark = pytest.mark.asyncio


# ---------------------------------------------------------------- there and back


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


async def test_undo_of_a_revert_needs_its_branch_checked_out(repo):
    repo.write("a.txt", "x\n")
    await perform(repo, REVERT, commit=repo.commit("x"))
    repo.git("checkout", "-q", "-b", "elsewhere")
    before = repo.picture()
    with pytest.raises(WorldMovedOn, match="another branch"):
        await undo(repo, REVERT)
    assert repo.picture() == before


async def test_undo_of_a_commit_on_another_branch_moves_only_that(repo):
    change(repo)
    await perform(repo, COMMIT, message="m", paths=["a.txt"])
    repo.git("checkout", "-q", "-b", "elsewhere")
    index = repo.git("ls-files", "--stage")
    assert (await undo(repo, COMMIT)).success
    assert repo.git("rev-parse", "agent/work") == repo.git("rev-parse", "main")
    assert repo.git("ls-files", "--stage") == index


async def test_merges_and_strangers_are_not_reverted(repo):
    repo.git("checkout", "-q", "-b", "side", "main")
    repo.write("s.txt", "s\n")
    stranger = repo.commit("side")
    repo.git("checkout", "-q", "agent/work")
    with pytest.raises(EffectRefused, match="not a commit of this branch"):
        await perform(repo, REVERT, commit=stranger)
    repo.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    with pytest.raises(EffectRefused, match="is a merge"):
        await perform(repo, REVERT, commit="HEAD")


async def test_a_revert_of_what_was_reverted_is_refused(repo):
    repo.write("a.txt", "x\n")
    commit = repo.commit("x")
    await perform(repo, REVERT, commit=commit)
    with pytest.raises(EffectRefused, match=r"taken back already|stand in the way"):
        await perform(repo, REVERT, effect="d_2", commit=commit)
