"""Damage of every kind: it is named, nothing of the part is restored, and what can heal heals."""

import random
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard

from engine.adapters.snapshot_manifest import Node, Summary, write_manifest
from engine.adapters.snapshot_store import SnapshotStore
from engine.errors import ChainBroken, InputError, StorageError
from tests.journal.making import fill, unguarded
from tests.snapshots.making import NOW_US, SECOND_US, chunk_files, sample, seen

DIGITS = "0" * 64


@pytest.fixture
def store(tmp_path):
    """A store with one snapshot of a workspace in it."""
    store = SnapshotStore(tmp_path / "store", wait_s=0)
    store.create({"workspace": sample(tmp_path / "work")}, now_us=NOW_US)
    return store


def one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def claims_a_terabyte(path: Path) -> None:
    whole = zstandard.ZstdCompressor().compress(bytes(300))
    # A frame header that promises 2**40 bytes: descriptor with an 8-byte size, single segment.
    path.write_bytes(whole[:4] + bytes([0xE0]) + (1 << 40).to_bytes(8, "little") + whole[6:])


DAMAGE = {
    "one bit": one_bit,
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "another's": lambda path: path.write_bytes(zstandard.ZstdCompressor().compress(b"other")),
    "no frame": lambda path: path.write_bytes(b"hello"),
    "a terabyte": claims_a_terabyte,
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


def still_says_the_same(path: Path) -> bool:
    """Whether the bit that was flipped is one that zstd does not look at."""
    try:
        return sha256(zstandard.ZstdDecompressor().decompress(path.read_bytes())).hexdigest() == path.name
    except zstandard.ZstdError:
        return False


@pytest.mark.parametrize("kind", [kind for kind in DAMAGE if kind != "longer"])
def test_a_damaged_chunk_names_its_file_and_nothing_is_restored(tmp_path, store, kind):
    for path in chunk_files(store):
        intact = path.read_bytes()
        DAMAGE[kind](path)
        names = set(tmp_path.iterdir())
        if kind == "one bit" and still_says_the_same(path):
            continue
        with pytest.raises(StorageError, match=r"workspace/.* cannot be restored: chunk \w+… (is|cannot)"):
            store.restore("latest", {"workspace": tmp_path / "out"})
        assert set(tmp_path.iterdir()) == names
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(intact)
    store.restore("latest", {"workspace": tmp_path / "out"})


@pytest.mark.parametrize("kind", DAMAGE)
def test_verify_names_every_file_a_damaged_chunk_belongs_to(tmp_path, store, kind):
    (tmp_path / "work" / "twin").write_text("print('hello')\n")
    store.create({"workspace": tmp_path / "work"}, now_us=NOW_US + SECOND_US)
    [main] = [
        path
        for path in chunk_files(store)
        if zstandard.ZstdDecompressor().decompress(path.read_bytes()) == b"print('hello')\n"
    ]
    DAMAGE[kind](main)
    found = store.verify().damage
    if kind == "longer":
        assert found == ()  # what follows a frame is not read
        return
    assert [damage.place for damage in found] == [
        "workspace/src/main.py",
        "workspace/src/main.py",
        "workspace/twin",
    ]
    assert len({damage.snapshot_id for damage in found}) == 2


def test_the_next_snapshot_heals_what_is_still_there(tmp_path, store):
    before = seen(tmp_path / "work")
    for path in chunk_files(store):
        DAMAGE["cut short"](path)
    assert store.verify().damage
    assert chunk_files(store) == []
    store.create({"workspace": tmp_path / "work"}, now_us=NOW_US + SECOND_US)
    assert store.verify().damage == ()
    store.restore(store.list()[0].snapshot_id, {"workspace": tmp_path / "out"})
    assert seen(tmp_path / "out") == before


def test_every_byte_of_a_manifest_counts(tmp_path, store):
    [info] = store.list()
    path = store._shelf.manifest(info.snapshot_id)
    intact = path.read_bytes()
    chosen = random.Random(7)
    for position in {*range(40), *chosen.sample(range(len(intact)), 60)}:
        data = bytearray(intact)
        data[position] ^= 1 << chosen.randrange(8)
        path.write_bytes(data)
        try:
            store.restore(info.snapshot_id, {"workspace": tmp_path / "out"})
        except (StorageError, InputError):
            assert not (tmp_path / "out").exists()
        else:
            # A bit of zstd's header that changes nothing of what is read.
            assert seen(tmp_path / "out") == seen(tmp_path / "work")
            (tmp_path / "out").rename(tmp_path / f"out-{position}")
    path.write_bytes(intact[: len(intact) // 2])
    with pytest.raises(StorageError, match="manifest is damaged"):
        store.restore(info.snapshot_id, {"workspace": tmp_path / "out"})


def test_a_damaged_manifest_hides_no_other_and_nothing_is_deleted_by_it(tmp_path, store):
    [first] = store.list()
    store.create({"workspace": tmp_path / "work"}, now_us=NOW_US + SECOND_US)
    path = store._shelf.manifest(first.snapshot_id)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StorageError, match="nothing is deleted while a manifest cannot be read"):
        store.trim(1, 0)
    found = store.verify()
    assert [(damage.snapshot_id, damage.place) for damage in found.damage] == [
        (first.snapshot_id, "manifest")
    ]
    assert store.verify().damage == ()
    assert store.trim(1, 0).snapshot_ids == ()
    assert len(store.list()) == 1


@pytest.mark.parametrize(
    "path", ["../out", "a/../../out", "/etc/out", "gone/out", "link/out", "a//b", "%2e%2e/out", ".", "x%2fy"]
)
def test_a_manifest_cannot_write_outside_its_folder(tmp_path, path):
    store = SnapshotStore(tmp_path / "store")
    (tmp_path / "a").mkdir()
    store.create({"workspace": tmp_path / "a"}, now_us=NOW_US)
    [empty] = store.list()
    store._shelf.manifest(empty.snapshot_id).unlink()
    nodes = [
        Node(part="workspace", path="", kind="folder", mode=0o755),
        Node(part="workspace", path="a", kind="folder", mode=0o755),
        Node(part="workspace", path="link", kind="link", target=str(tmp_path)),
        Node(part="workspace", path=path, kind="file", mode=0o644, sha256=DIGITS),
    ]
    summary = Summary(
        created_us=NOW_US,
        roots={"workspace": "/w"},
        files=1,
        size_bytes=0,
        stored_bytes=0,
        left_out=0,
        torn=0,
    )
    write_manifest(tmp_path / "store" / "manifests", summary, nodes)
    names = set(tmp_path.iterdir())
    with pytest.raises(StorageError, match="the manifest puts it where no folder is"):
        store.restore("latest", {"workspace": tmp_path / "restored"})
    assert set(tmp_path.iterdir()) == names


def test_a_journal_whose_chain_is_broken_is_not_taken(tmp_path):
    fill(tmp_path / "journal.db", 50)
    with unguarded(tmp_path / "journal.db") as connection:
        connection.execute("UPDATE journal SET body = replace(body, 'ada', 'eve') WHERE seq = 12")
    store = SnapshotStore(tmp_path / "store")
    with pytest.raises(ChainBroken, match=r"journal\.db: record 12 was altered"):
        store.create({}, journal=tmp_path / "journal.db", now_us=NOW_US)
    assert store.list() == []
    assert chunk_files(store) == []


def test_a_journal_that_is_not_in_the_snapshots_chain_is_not_restored(tmp_path, monkeypatch):
    fill(tmp_path / "journal.db", 50)
    store = SnapshotStore(tmp_path / "store")
    monkeypatch.setattr("engine.adapters.snapshot_take.check_copy", lambda copy, since: (_head(49), True))
    store.create({}, journal=tmp_path / "journal.db", now_us=NOW_US)
    with pytest.raises(ChainBroken):
        store.restore("latest", {"journal": tmp_path / "out.db"})
    assert not (tmp_path / "out.db").exists()
    [damage] = store.verify().damage
    assert damage.place == "journal/journal.db"


def _head(seq):
    from engine.core.vocabulary.chain import Head

    return Head(seq, bytes(32))
