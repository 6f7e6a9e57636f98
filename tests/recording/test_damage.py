"""A recording that is cut, flipped, exchanged or made up is refused with one line, never with a traceback."""

import random

import msgspec
import pytest
import zstandard

from engine.core.vocabulary import facts as f
from engine.errors import RecordingError
from simulator.recording import Recording
from simulator.recording.format import FrameHead, to_line, unpack
from tests.recording.samples import (
    LABELS,
    content,
    mixed,
    with_footer,
    with_frame,
    with_header,
    write,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write(tmp_path_factory.mktemp("whole") / "whole.wkr", mixed(60), LABELS)


def is_one_line(error):
    assert "\n" not in str(error)
    assert error.place
    assert error.cure
    return True


def test_every_cut_is_found(whole, tmp_path):
    data = whole.read_bytes()
    cut = tmp_path / "cut.wkr"
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        with pytest.raises(RecordingError) as caught:
            Recording(cut)
        assert is_one_line(caught.value)


def test_every_flipped_byte_is_found_or_changes_nothing(whole, tmp_path):
    data, told = whole.read_bytes(), content(whole)
    flipped = tmp_path / "flipped.wkr"
    chance = random.Random(20260302)
    harmless = []
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= 1 << chance.randrange(8)
        flipped.write_bytes(altered)
        try:
            found = content(flipped)
        except RecordingError as refusal:
            is_one_line(refusal)
        else:
            assert found == told, f"byte {position}"
            harmless.append(position)
    # Each frame may have a bit that the zstd format leaves unused; only header and footer have no hash above.
    assert len(harmless) <= 4


def test_bytes_behind_the_end_are_found(whole, tmp_path):
    longer = tmp_path / "longer.wkr"
    longer.write_bytes(whole.read_bytes() + b"x")
    with pytest.raises(RecordingError, match="cut short or damaged"):
        Recording(longer)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b"when,what\n1,2\n", "not a Watchkeeper recording"),
        (b"\x28\xb5", "damaged"),
        (
            zstandard.ZstdCompressor(write_checksum=True).compress(b"text"),
            "not a Watchkeeper recording, though",
        ),
        (
            zstandard.ZstdCompressor(write_checksum=True).compress(b'{"a":1}\n'),
            "not a Watchkeeper recording, though",
        ),
        (zstandard.ZstdCompressor(write_checksum=False).compress(b"text"), "no checksum"),
        (zstandard.ZstdCompressor(write_checksum=True).compressobj().compress(b"text" * 99999), "damaged"),
    ],
)
def test_other_files_are_refused(tmp_path, data, said):
    path = tmp_path / "other.wkr"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=said) as caught:
        Recording(path)
    assert is_one_line(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="no such file"):
        Recording(tmp_path / "none.wkr")
    with pytest.raises(RecordingError, match="is a directory"):
        Recording(tmp_path)


def test_a_newer_version_asks_for_an_update(tmp_path):
    path = with_header(tmp_path / "a.wkr", lambda header: header.update(watchkeeper_recording=3))
    with pytest.raises(RecordingError, match=r"version 3 .* reads versions 1 and 2 .*update Watchkeeper"):
        Recording(path)


def test_a_header_that_lacks_something_is_refused(tmp_path):
    path = with_header(tmp_path / "a.wkr", lambda header: header.pop("origin"))
    with pytest.raises(RecordingError, match=r"header at byte 0: cannot be read: .*origin"):
        Recording(path)


def test_a_header_may_say_more_than_we_know(tmp_path):
    path = with_header(tmp_path / "a.wkr", lambda header: header.update(colour="blue"))
    with pytest.raises(RecordingError, match="cut short"):
        Recording(path)


def test_a_damaged_frame_is_named_with_its_place(whole, tmp_path):
    data = bytearray(whole.read_bytes())
    entry = Recording(whole).frames[3]
    data[entry.offset + entry.length // 2] ^= 1
    path = tmp_path / "a.wkr"
    path.write_bytes(data)
    recording = Recording(path)
    with pytest.raises(RecordingError, match=rf"group 0 lane {entry.lane} at byte {entry.offset:,}: damaged"):
        [*recording.facts()]
    assert recording.read_frame(recording.frames[0]).facts()


def test_damaged_labels_do_not_hinder_a_replay(whole, tmp_path):
    data = bytearray(whole.read_bytes())
    entry = Recording(whole).footer.label_frames[0]
    data[entry.offset : entry.offset + entry.length] = bytes(entry.length)
    path = tmp_path / "a.wkr"
    path.write_bytes(data)
    recording = Recording(path)
    assert [*recording.facts()] == [*Recording(whole).facts()]
    with pytest.raises(RecordingError, match="labels 0 at byte"):
        [*recording.labels()]


def test_a_file_exchanged_while_open_is_noticed(tmp_path):
    recording = Recording(write(tmp_path / "a.wkr", mixed(60)))
    write(tmp_path / "a.wkr", mixed(61))
    with pytest.raises(RecordingError, match="SHA-256 differs"):
        [*recording.facts()]


def test_a_file_deleted_while_open_is_noticed(tmp_path):
    recording = Recording(write(tmp_path / "a.wkr", mixed(60)))
    recording.path.unlink()
    with pytest.raises(RecordingError, match="no such file"):
        [*recording.facts()]


def swap_lanes(footer):
    one, two = footer["frames"][0], footer["frames"][1]
    one["lane"], two["lane"] = two["lane"], one["lane"]


def test_a_frame_of_another_lane_is_refused(tmp_path):
    path = with_footer(write(tmp_path / "a.wkr", mixed(60)), swap_lanes)
    with pytest.raises(RecordingError, match=r"holds \d+ facts of group 0 lane 0, unlike the index says"):
        [*Recording(path).facts()]


@pytest.mark.parametrize(
    "change",
    [
        lambda footer: footer.update(facts=footer["facts"] + 1),
        lambda footer: footer.update(labels=footer["labels"] + 1),
        lambda footer: footer["group_sizes"].append(1),
        lambda footer: footer["frames"].pop(),
        lambda footer: footer["label_frames"].pop(),
        lambda footer: footer["frames"][1].update(offset=footer["frames"][1]["offset"] + 1),
        lambda footer: footer["frames"][1].update(lane=8),
        lambda footer: footer["frames"][-1].update(length=-5),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(tmp_path, change):
    path = with_footer(write(tmp_path / "a.wkr", mixed(60), LABELS), change)
    with pytest.raises(RecordingError, match="the index contradicts itself"):
        Recording(path)


def test_a_wrong_content_hash_is_refused(tmp_path):
    path = with_footer(
        write(tmp_path / "a.wkr", mixed(60)),
        lambda footer: footer.update(content_sha256="0" * 64),
        resign=False,
    )
    with pytest.raises(RecordingError, match="the index contradicts itself"):
        Recording(path)


def test_verify_compares_the_content_itself(tmp_path):
    def change(footer):
        footer["frames"][0]["sha256"] = "0" * 64

    recording = Recording(with_footer(write(tmp_path / "a.wkr", mixed(60)), change))
    assert len([*recording.facts()]) == 60
    with pytest.raises(RecordingError, match="the content is not what the index says"):
        recording.verify()


def test_a_footer_that_lacks_something_is_refused(tmp_path):
    path = with_footer(write(tmp_path / "a.wkr", mixed(6)), lambda footer: footer.pop("kinds"))
    with pytest.raises(RecordingError, match=r"footer at byte [\d,]+: cannot be read"):
        Recording(path)


def body_of(recording, position, *, seqs=None, lines=None):
    frame = recording.read_frame(recording.frames[position])
    head = FrameHead(group=frame.entry.group, lane=frame.entry.lane, seqs=seqs or frame.seqs)
    return to_line(head) + (frame.lines if lines is None else lines)


def test_a_fact_of_a_newer_version_is_named(tmp_path):
    path = write(tmp_path / "a.wkr", mixed(60))
    recording = Recording(path)
    lines = recording.read_frame(recording.frames[0]).lines.splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"fact":"', b'"fact":"future_')
    seq = recording.read_frame(recording.frames[0]).seqs[2]
    with_frame(path, 0, body_of(recording, 0, lines=b"".join(lines)))
    with pytest.raises(RecordingError, match=rf"fact {seq} cannot be read: .*future_.*newer Watchkeeper"):
        [*Recording(path).facts()]


def test_fewer_lines_than_announced_are_refused(tmp_path):
    path = write(tmp_path / "a.wkr", mixed(60))
    recording = Recording(path)
    lines = recording.read_frame(recording.frames[0]).lines.splitlines(keepends=True)
    with_frame(path, 0, body_of(recording, 0, lines=b"".join(lines[1:])))
    with pytest.raises(RecordingError, match="facts where its first line announces"):
        [*Recording(path).facts()]


@pytest.mark.parametrize("shift", [1_000, -1])
def test_numbers_of_another_group_are_refused(tmp_path, shift):
    path = write(tmp_path / "a.wkr", mixed(60))
    recording = Recording(path)
    seqs = [seq + shift for seq in recording.read_frame(recording.frames[0]).seqs]
    with_frame(path, 0, body_of(recording, 0, seqs=seqs))
    with pytest.raises(RecordingError, match="facts 1 to 60 are not complete"):
        [*Recording(path).facts()]


def test_a_frame_without_a_head_is_refused(tmp_path):
    path = write(tmp_path / "a.wkr", mixed(60))
    with_frame(path, 0, b"no json\n" + f.encode(1))
    with pytest.raises(RecordingError, match="its first line cannot be read"):
        [*Recording(path).facts()]


def test_unknown_labels_are_refused(tmp_path):
    path = write(tmp_path / "a.wkr", mixed(6), LABELS)

    class Odd(msgspec.Struct, tag_field="label", tag="odd"):
        pass

    write(path, mixed(6), [Odd()])
    with pytest.raises(RecordingError, match="a label cannot be read"):
        [*Recording(path).labels()]


def test_a_frame_that_claims_too_much_is_not_unpacked():
    huge = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(bytes(300)))
    assert huge[4] >> 6 == 1, "the content size has two bytes in this header"
    huge[5:7] = b"\xff\xff"
    with pytest.raises(RecordingError, match="another size"):
        unpack(bytes(huge), place="here", size=300)
