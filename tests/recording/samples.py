"""Recordings to test with: small ones that hold every shape, and a way to tamper with a finished one."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.actions import Action, Parameter, RiskLevel
from engine.core.vocabulary.proposals import Proposal
from simulator.recording import (
    EpisodeLabel,
    Header,
    Label,
    Origin,
    RecordedVerdict,
    Recording,
    RecordingWriter,
)
from simulator.recording.format import TAIL, TAIL_CONTENT_BYTES, TAIL_MAGIC, content_digest

HEADER = Header(
    source="sample",
    origin=Origin(name="sample.csv", sha256="ab"),
    actions=(
        Action(name="go", kind="write", risk=RiskLevel.LOW, parameters={"to": Parameter(type="string")}),
    ),
    notes=("made for tests",),
)
LABELS = (
    Label(proposal_id="p-0", unsafe=True, benign_episode=False, episode="e-0", place="row 1"),
    EpisodeLabel(episode="e-0", benign=False),
    RecordedVerdict(proposal_id="p-1", word="hold", sha256="cd"),
)


def proposal(number: int, episode: str) -> f.ProposalReceived:
    """A proposal with the given episode, empty for none."""
    asked = Proposal(
        proposal_id=f"p-{number}",
        agent="a",
        capability="c@1",
        action="go",
        args={"to": f"there {number}"},
        episode=episode,
    )
    return f.ProposalReceived(at_us=number, proposal=asked)


def mixed(count: int) -> Iterator[f.Fact]:
    """Facts of every lane, in order of time."""
    for number in range(count):
        at_us, episode = number, f"e-{number % 7}"
        match number % 6:
            case 0:
                yield proposal(number, episode if number % 12 else "")
            case 1:
                yield f.MessageObserved(at_us=at_us, episode=episode, source="tool", text=f"line\n{number} ü")
            case 2:
                yield f.MetricObserved(at_us=at_us, series=f"s-{number % 11}", value=number / 7)
            case 3:
                yield f.EpisodeClosed(at_us=at_us, episode=episode)
            case 4:
                yield f.OutcomeReported(
                    at_us=at_us,
                    proposal_id=f"p-{number - 4}",
                    agent="a",
                    capability="c@1",
                    action="go",
                    ok=True,
                    by="incumbent",
                )
            case _:
                yield f.RolloutPaused(at_us=at_us, capability="c", reason="freeze", by="ann")


def write(path: Path, facts: Iterable[f.Fact], labels: Iterable[Any] = (), header: Header = HEADER) -> Path:
    """Write a recording."""
    with RecordingWriter(path, header) as writer:
        for fact in facts:
            writer.write(fact)
        for label in labels:
            writer.label(label)
    return path


def content(path: Path) -> tuple[Any, ...]:
    """Everything a recording says to whoever reads it."""
    recording = Recording(path)
    recording.verify()
    return (
        recording.header,
        [*recording.facts()],
        [*recording.labels()],
        [*recording.episode_labels()],
        recording.footer.source_rows,
    )


def with_footer(path: Path, change: Callable[[dict[str, Any]], None], *, resign: bool = True) -> Path:
    """Write the footer anew after changing it, as somebody with an editor could.

    `resign` puts the content hash right again, so that only the change itself can be found.
    """
    data = path.read_bytes()
    _, _, footer_at = TAIL.unpack(data[-TAIL.size :])
    footer = msgspec.json.decode(zstandard.ZstdDecompressor().decompress(data[footer_at : -TAIL.size]))
    change(footer)
    if resign:
        frames = [msgspec.convert(frame, _entry()) for frame in footer["frames"]]
        footer["content_sha256"] = content_digest(HEADER, frames)
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(msgspec.json.encode(footer) + b"\n")
    path.write_bytes(data[:footer_at] + packed + TAIL.pack(TAIL_MAGIC, TAIL_CONTENT_BYTES, footer_at))
    return path


def with_header(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a file that has only a header, changed."""
    header = msgspec.to_builtins(HEADER)
    change(header)
    path.write_bytes(
        zstandard.ZstdCompressor(write_checksum=True).compress(msgspec.json.encode(header) + b"\n")
    )
    return path


def with_frame(path: Path, position: int, body: bytes) -> Path:
    """Put another body into one frame, and make index and hashes fit it."""
    recording = Recording(path)
    entry = recording.frames[position]
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(body)
    data = path.read_bytes()
    grown = len(packed) - entry.length
    _, _, footer_at = TAIL.unpack(data[-TAIL.size :])
    tail = TAIL.pack(TAIL_MAGIC, TAIL_CONTENT_BYTES, footer_at + grown)
    rest = data[entry.offset + entry.length : -TAIL.size]
    path.write_bytes(data[: entry.offset] + packed + rest + tail)

    def change(footer: dict[str, Any]) -> None:
        for frame in (*footer["frames"], *footer["label_frames"]):
            if frame["offset"] > entry.offset:
                frame["offset"] += grown
        frame = footer["frames"][position]
        frame["length"], frame["size"] = len(packed), len(body)
        frame["sha256"] = hashlib.sha256(body).hexdigest()
        frame["packed_sha256"] = hashlib.sha256(packed).hexdigest()

    return with_footer(path, change)


def _entry() -> type:
    from simulator.recording import FrameEntry

    return FrameEntry
