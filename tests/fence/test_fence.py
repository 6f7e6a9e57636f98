"""The fence in files: durable before it is acknowledged, open to anybody's hand, and closed when in doubt."""

import os
import resource
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.fence_files import FileFence, file_name
from engine.core.gates import kill_switch
from engine.core.vocabulary.facts import KillSwitchSet, Scope
from engine.errors import InputError, Stopped, StorageError
from engine.ports import Fence
from tests.fence.stopping import ACTION, AGENT, ALL, CAPABILITY, stop

SCOPES = st.one_of(
    st.just(ALL),
    st.builds(Scope, st.sampled_from(["agent", "capability", "action"]), st.sampled_from(["a", "a@1", "b"])),
)
NAMES = st.sampled_from(["a", "a@1", "b", "c"])


def begins(fence: Fence, *, agent=AGENT, capability=CAPABILITY, action=ACTION) -> bool:
    try:
        with fence.starting(agent, capability, action):
            return True
    except Stopped:
        return False


# ---------------------------------------------------------------- setting and clearing


def test_a_stop_stands_until_it_is_cleared_and_survives_its_setter(home, fence):
    fence.set(stop())
    assert FileFence(home / "stops").stops() == (stop(),)
    fence.clear(ALL)
    assert fence.stops() == ()


def test_the_file_and_the_name_are_on_disk_before_set_returns(home, fence, monkeypatch):
    done = []
    fsync, rename = os.fsync, os.rename

    def named(handle: int) -> str:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        return "folder" if path == home / "stops" else "content" if path.suffix == ".tmp" else path.name

    monkeypatch.setattr(os, "fsync", lambda handle: (done.append(f"sync {named(handle)}"), fsync(handle)))
    for how in ("rename", "replace"):
        monkeypatch.setattr(os, how, lambda *paths: (done.append("rename"), rename(*paths)))
    fence.set(stop())
    assert done == ["sync content", "rename", "sync folder"]
    done.clear()
    fence.set(stop(reason="again"))
    assert done == ["sync all", "sync folder"], "the first setter may have been killed before its sync"
    done.clear()
    fence.clear(ALL)
    assert done == ["sync folder"]


def test_setting_again_changes_nothing(fence):
    fence.set(stop(reason="first"))
    fence.set(stop(reason="second"))
    assert [standing.reason for standing in fence.stops()] == ["first"]


def test_clearing_one_leaves_wider_and_narrower_ones(fence):
    scopes = [ALL, Scope("agent", AGENT), Scope("capability", "restart"), Scope("action", ACTION)]
    for scope in scopes:
        fence.set(stop(scope))
    assert [standing.scope for standing in fence.stops()] == scopes, "the widest first"
    fence.clear(Scope("agent", AGENT))
    assert [standing.scope for standing in fence.stops()] == [scopes[0], *scopes[2:]]
    fence.clear(Scope("agent", "nobody"))
    assert len(fence.stops()) == 3


@given(scope=SCOPES, agent=NAMES, capability=NAMES, action=NAMES)
def test_a_stop_covers_what_the_gate_says_it_covers(scope, agent, capability, action):
    stops = kill_switch.Stops()
    kill_switch.fold_set(stops, KillSwitchSet(at_us=1, scope=scope, by="kim", reason=""))
    denied = kill_switch.judge(stops, agent, capability, action).ruling == "deny"
    assert scope.covers(agent, capability, action) == denied


def test_behind_a_stop_nothing_begins_and_the_refusal_says_who_when_why_and_what_next(fence):
    fence.set(stop(Scope("capability", "restart")))
    with pytest.raises(Stopped) as refused, fence.starting(AGENT, CAPABILITY, ACTION):
        pytest.fail("it began")
    assert str(refused.value) == (
        "kim stopped capability:restart at 2023-11-14T22:13:20Z: it smells of smoke "
        "(a captain resumes it with `watchkeeper resume`)"
    )
    assert begins(fence, capability="other@1")


def test_an_error_inside_the_block_leaves_no_lock_behind(fence):
    with pytest.raises(ZeroDivisionError), fence.starting(AGENT, CAPABILITY, ACTION):
        raise ZeroDivisionError
    assert fence.settle(patience_s=0) == ()


@pytest.mark.parametrize("name", ["ops/night shift:2", "\N{SNOWMAN} & co", "a" * 300, "..", "all"])
def test_any_agent_can_be_stopped_whatever_its_name(fence, name):
    fence.set(stop(Scope("agent", name)))
    assert fence.stops() == (stop(Scope("agent", name)),)
    assert not begins(fence, agent=name)
    assert begins(fence, agent=name + "x")
    fence.clear(Scope("agent", name))
    assert begins(fence, agent=name)


# ---------------------------------------------------------------- files made by hand


def test_touching_a_file_is_a_stop(home, fence):
    (home / "stops" / "all").touch()
    (found,) = fence.stops()
    assert (found.scope, found.by, found.reason) == (ALL, "a file", "")
    assert abs(found.at_us - time.time_ns() // 1000) < 60_000_000
    assert not begins(fence)


@pytest.mark.parametrize("name", ["agent%3Acoder-1", "agent:coder-1", "agent%3acoder%2D1"])
def test_the_name_of_a_file_made_by_hand_may_be_encoded_or_not(home, fence, name):
    (home / "stops" / name).touch()
    assert not begins(fence)
    assert begins(fence, agent="coder-2")
    fence.clear(Scope("agent", "coder-1"))
    assert begins(fence)


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff\x00 no json")


def cut(path: Path) -> None:
    path.write_bytes(b'{"scope":["agent","coder-9"],"by":"k')


def of_another_name(path: Path) -> None:
    FileFence(path.parent).set(stop(Scope("agent", "coder-9")))
    (path.parent / file_name(Scope("agent", "coder-9"))).rename(path)


def huge(path: Path) -> None:
    path.write_bytes(b" " * 10_000 + b"{" * 200_000)


def nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("name", ["agent%3Acoder-8", "what is this", "agent%3A", "all%ff", ".hidden"])
@pytest.mark.parametrize("make", [garbage, cut, of_another_name, huge, nowhere, os.mkfifo, os.mkdir])
def test_what_cannot_be_understood_stops_everything_until_a_captain_resumes(home, fence, name, make):
    make(home / "stops" / name)
    (found,) = fence.stops()
    assert found.scope == ALL
    assert name in found.reason
    assert not begins(fence)
    fence.clear(ALL)
    assert fence.stops() == ()
    assert begins(fence)


@pytest.mark.parametrize("name", ["what is this", "agent%3A", "ALL", "all%ff", os.fsdecode(b"agent:\xff")])
def test_an_empty_file_whose_name_is_no_scope_stops_everything(home, fence, name):
    (home / "stops" / name).touch()
    (found,) = fence.stops()
    assert found.scope == ALL
    found.reason.encode()


def test_a_stop_never_replaces_a_wider_one_of_its_name(home, fence):
    garbage(home / "stops" / file_name(Scope("agent", AGENT)))
    fence.set(stop(Scope("agent", AGENT)))
    assert [standing.scope for standing in fence.stops()] == [ALL]


def test_an_edit_in_place_counts_at_once(home, fence):
    fence.set(stop(Scope("agent", "coder-9")))
    path = home / "stops" / file_name(Scope("agent", "coder-9"))
    assert begins(fence)
    content, before = path.read_bytes(), path.stat()
    path.write_bytes(content.replace(b"coder-9", b"coder-8"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not begins(fence), "the same size, time and inode, and another content"


def test_a_folder_that_is_gone_stops_everything_and_setting_makes_it_again(home, fence):
    (home / "stops").rmdir()
    assert [found.scope for found in fence.stops()] == [ALL]
    assert not begins(fence)
    fence.set(stop())
    assert fence.stops() == (stop(),)


def test_a_missing_state_folder_is_refused_since_a_stop_there_would_stop_nothing(tmp_path):
    with pytest.raises(InputError):
        FileFence(tmp_path / "misspelt" / "stops")


def seen_by_nobody(stops: Path) -> list[str]:
    """Give the scopes that an account which may not do everything sees; ourselves, if that is such a one."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        if os.getuid() == 0:
            os.setgroups([])
            os.setresgid(65_534, 65_534, 65_534)
            os.setresuid(65_534, 65_534, 65_534)
        os.write(writing, " ".join(str(found.scope) for found in FileFence(stops).stops()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read().decode().split()
    os.waitpid(child, 0)
    return said


def open_to_all(path: Path) -> None:
    """Let other accounts reach a folder of pytest's."""
    for folder in (path, *path.parents):
        if folder.stat().st_uid == os.getuid() and len(folder.parts) > 2:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)


def test_what_may_not_be_read_stops_everything(home, fence):
    open_to_all(home)
    stops = home / "stops"
    stops.chmod(0o755)
    assert seen_by_nobody(stops) == []
    fence.set(stop(Scope("agent", "coder-9")))
    assert seen_by_nobody(stops) == ["agent:coder-9"]
    (stops / file_name(Scope("agent", "coder-9"))).chmod(0)
    assert seen_by_nobody(stops) == ["all"]
    stops.chmod(0)
    try:
        assert seen_by_nobody(stops) == ["all"]
    finally:
        stops.chmod(0o755)


# ---------------------------------------------------------------- a machine that refuses


def test_on_a_full_disk_the_stop_is_an_empty_file(home):
    code = (
        "import resource, sys\n"
        "from tests.fence.stopping import *; from engine.adapters.fence_files import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "fence = FileFence(sys.argv[1]); fence.set(stop(Scope('agent', 'coder-1')))"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, home / "stops"], check=True, env=plain, cwd=root)
    (found,) = FileFence(home / "stops").stops()
    assert (found.scope, found.by) == (Scope("agent", "coder-1"), "a file")


def test_a_machine_without_handles_refuses_and_lets_nothing_begin(fence):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(StorageError), fence.starting(AGENT, CAPABILITY, ACTION):
            pytest.fail("it began")
        with pytest.raises(StorageError):
            fence.set(stop())
        assert [found.scope for found in fence.stops()] == [ALL]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_locks_that_somebody_tidied_away_are_made_again(home, fence):
    with fence.starting(AGENT, CAPABILITY, ACTION):
        for lock in home.glob("fence.*"):
            lock.unlink()
        assert begins(fence)
    assert fence.settle() == ()
