"""Actions on files, one of each kind, in a workspace with one file of each kind."""

from engine.adapters.runner_file import FileRunner
from engine.core.vocabulary.actions import Parameter
from tests.runners.effects import action

TEXT = Parameter(type="string")


def of(operation, **settings):
    names = {
        "create": ("path", "content"),
        "write": ("path", "content"),
        "edit": ("path", "old", "new"),
        "delete": ("paths",),
        "move": ("path", "to"),
    }[operation]
    given = {"operation": operation, **settings}
    return action(f"file.{operation}", "file", given, parameters=dict.fromkeys(names, TEXT))


CREATE, WRITE, EDIT, DELETE, MOVE = map(of, ("create", "write", "edit", "delete", "move"))
RUNNER = FileRunner()


async def perform(bench, act, effect="d_1", watch=None, **args):
    return await RUNNER.perform(bench.job(act, args, effect=effect, watch=watch))


async def undo(bench, act, of="d_1", effect="u_1", *, force=False):
    return await RUNNER.undo(bench.job(act, effect=effect), of, force=force)


WAYS = [
    (CREATE, {"path": "new.txt", "content": "hé\n"}),
    (CREATE, {"path": "deep/er/new.txt", "content": ""}),
    (WRITE, {"path": "a.txt", "content": "two\n"}),
    (WRITE, {"path": "other/b.txt", "content": "two\n"}),
    (EDIT, {"path": "a.txt", "old": "one", "new": "1"}),
    (DELETE, {"paths": ["a.txt", "sub/b.bin", "link"]}),
    (MOVE, {"path": "sub/b.bin", "to": "else/where.bin"}),
    (MOVE, {"path": "a.txt", "to": "sub/a.txt"}),
]
