"""Real repositories in a workspace, and git as a person would use it there."""

import os
import subprocess

from engine.adapters.runner_git import GitRunner
from engine.core.vocabulary.actions import Parameter
from tests.runners.effects import action

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


async def perform(repo, act, effect="d_1", watch=None, runner=RUNNER, **args):
    return await runner.perform(repo.bench.job(act, args, effect=effect, watch=watch))


async def undo(repo, act, of="d_1", effect="u_1", *, force=False):
    return await RUNNER.undo(repo.bench.job(act, effect=effect), of, force=force)


def change(repo):
    repo.write("a.txt", "changed\n")
    repo.write("new/c.txt", "c\n")
    (repo.path / "b.txt").unlink()
