"""The recording format, versions 1 and 2: what its frames hold. See `docs/reference/recording-format.md`.

A recording is a row of independent zstd frames of JSON lines, so `zstdcat history.wkr` shows all of it:

    header | group 1: lanes 0 … 7 | group 2: lanes 0 … 7 | … | labels … | footer | where the footer begins
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import IO, Any, Final, NoReturn

import msgspec
import zstandard
from msgspec import Struct

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.facts import (
    EpisodeClosed,
    Fact,
    MessageObserved,
    MetricObserved,
    OutcomeReported,
    ProposalReceived,
)
from engine.core.vocabulary.ids import Digest, EpisodeId, ProposalId
from engine.core.vocabulary.verdicts import Word
from engine.errors import RecordingError

VERSIONS: Final = (1, 2)
"""Those that are read. 2 is 1 with the records that the steps of a journal's rollouts follow from; what holds
none is written as 1, and every Watchkeeper reads it."""
EXTENSION: Final = ".wkr"
LANES: Final = 8
"""Eight lanes let 1, 2, 4 or 8 processes share a recording evenly, and still make frames of some 2,000
facts."""

GROUP_FACTS: Final = 16_384
GROUP_BYTES: Final = 8 * 1024 * 1024
"""A group ends at whichever comes first, so that long messages do not make a reader need much memory."""

LEVEL: Final = 6
"""Past 6, zstd takes twice the time for one or two per cent."""

# A frame of this format is some megabytes at most. What claims more was damaged, or made to exhaust memory.
MOST_FRAME_BYTES: Final = 1 << 30
MOST_HEADER_BYTES: Final = 1 << 26

TAIL: Final = struct.Struct("<IIQ")
"""A zstd skippable frame: its magic number, the size of its content (8), and the offset of the footer."""
TAIL_MAGIC: Final = 0x184D2A57
TAIL_CONTENT_BYTES: Final = 8
_HEAD_BYTES: Final = 64 * 1024
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


class Origin(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a recording came from."""

    name: str
    """The name of the source file, without its folder: two machines make the same recording."""
    sha256: str = ""
    """Of the bytes of the source as they were read; for a journal, the hash its chain ended with."""
    mapping_sha256: str = ""
    """Of the mapping file; empty where none was needed."""
    rows: int | None = None
    """Rows of the source where they are known before it is read, as in a journal."""
    policy_hashes: tuple[Digest, ...] = ()
    """The policies the recorded system decided by, oldest first; empty where it was not Watchkeeper."""


class Header(Struct, frozen=True, kw_only=True):
    """The first line of a recording."""

    watchkeeper_recording: int = VERSIONS[0]
    """The version of the format."""
    source: str
    """The kind of history this was: the name of an importer, or of a generator."""
    origin: Origin
    actions: tuple[Action, ...] = ()
    """The registry of the recorded system; empty where the policy folder's own registry applies."""
    notes: tuple[str, ...] = ()
    """What a reader must know to trust the facts, for example that the times are made up."""


class Label(Struct, frozen=True, kw_only=True, tag_field="label", tag="truth"):
    """What somebody who knows says about a proposal. For scoring only: no reader of facts ever opens it."""

    proposal_id: ProposalId
    unsafe: bool
    """Whether allowing it would have done harm."""
    benign_episode: bool
    """Whether nobody attacked this episode, so that holding anything in it costs and gains nothing."""
    episode: EpisodeId = EpisodeId("")
    place: str = ""
    """Where the source says so, in its own words."""


class EpisodeLabel(Struct, frozen=True, kw_only=True, tag_field="label", tag="episode"):
    """What somebody who knows says about an episode, also where nothing was proposed in it."""

    episode: EpisodeId
    benign: bool
    """Whether nobody attacked it. The share of benign episodes held has all of them as its denominator."""
    place: str = ""
    """What the source calls it."""


class RecordedVerdict(Struct, frozen=True, kw_only=True, tag_field="label", tag="verdict"):
    """What the engine that wrote the journal answered."""

    proposal_id: ProposalId
    word: Word
    sha256: Digest
    """Of the whole recorded fact in canonical JSON: a replay that reasons differently shows here."""


class RecordedStep(Struct, frozen=True, kw_only=True, tag_field="label", tag="step"):
    """A step of a rollout, or another record it follows from, that is no fact to replay: the replay comes to
    its own.
    """

    after: int
    """How many facts of the recording came before it."""
    seq: int
    """Its number in the journal."""
    follows: bool
    """Whether it followed from the record before it, rather than being told."""
    fact: msgspec.Raw
    """In canonical JSON, exactly as the journal keeps it."""


AnyLabel = Label | RecordedVerdict
"""What is known about one proposal."""


class FrameHead(Struct, frozen=True, kw_only=True):
    """The first line of a frame of facts."""

    group: int
    lane: int
    seqs: list[int]
    """The sequence number of each line that follows, rising."""


class FrameEntry(Struct, frozen=True, kw_only=True, gc=False):
    """One line of the index: a frame of facts, or of labels when `lane` is -1."""

    group: int
    lane: int
    offset: int
    """Of its first byte in the file."""
    length: int
    """Compressed, in bytes."""
    size: int
    """Uncompressed, in bytes."""
    count: int
    """Facts or labels in it."""
    first_seq: int
    """The lowest sequence number of its group; 0 for labels."""
    sha256: Digest
    """Of its uncompressed bytes, the first line included: what it says, whichever zstd packed it."""
    packed_sha256: Digest
    """Of its bytes in the file. Every read checks this one, for it takes an eighth of the time."""


class Footer(Struct, frozen=True, kw_only=True):
    """The last frame: what there is, and where."""

    facts: int
    labels: int
    label_kinds: dict[str, int]
    """How many labels there are of each kind: `truth`, `episode`, `verdict`."""
    source_rows: int | None
    """Rows of the imported source; `None` when nothing was imported."""
    first_at_us: int | None
    """The earliest time; `None` when there are no facts."""
    last_at_us: int | None
    in_time_order: bool
    """Whether no fact is earlier than the one before it. Importers see to it; a clock set back breaks it."""
    kinds: dict[str, int]
    """How many facts there are of each kind."""
    group_sizes: list[int]
    """Facts in each group, in order."""
    frames: list[FrameEntry]
    label_frames: list[FrameEntry]
    content_sha256: Digest
    """`content_digest` of the registry and the facts: two recordings with the same one replay alike."""


_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def to_line(anything: Any) -> bytes:
    """Write one canonical JSON line, with its end."""
    return _ENCODER.encode(anything) + b"\n"


def content_digest(header: Header, frames: list[FrameEntry]) -> Digest:
    """Hash the registry and each frame's own hash: all that a replay can depend on, and no name or label."""
    digest = hashlib.sha256(to_line(header.actions))
    for frame in frames:
        digest.update(bytes.fromhex(frame.sha256))
    return Digest(digest.hexdigest())


def lane_of(fact: Fact) -> int:
    """Choose the lane of a fact: an episode or a series stays whole in one.

    CRC-32 is enough here: lanes share out work, and nobody gains by landing in a certain one.
    """
    return lane_of_key(_LANE_KEYS.get(type(fact), _no_key)(fact))


def lanes_of(facts: Iterable[Fact]) -> set[int]:
    """Choose the lanes of many facts at once: most share their keys with others."""
    return {lane_of_key(key) for key in {_LANE_KEYS.get(type(fact), _no_key)(fact) for fact in facts}}


_LANE_KEYS: Final[dict[type[Fact], Callable[[Any], str]]] = {
    MetricObserved: attrgetter("series"),
    MessageObserved: attrgetter("episode"),
    EpisodeClosed: attrgetter("episode"),
    ProposalReceived: lambda fact: fact.proposal.episode or fact.proposal.proposal_id,
    OutcomeReported: attrgetter("proposal_id"),
}


def _no_key(_fact: Fact) -> str:
    """Give what belongs to nobody in particular the empty key, and thereby the first lane."""
    return ""


def lane_of_key(key: str) -> int:
    """Choose the lane of everything that belongs to one episode or series."""
    return zlib.crc32(key.encode()) % LANES


def unpack(data: bytes, *, place: str, size: int | None = None) -> bytes:
    """Decompress exactly one frame, checking its checksum.

    `size` is what the index says its uncompressed length is; `None` takes the frame's own word for it.

    Raises `RecordingError`.
    """
    try:
        _distrust(data, place, size)
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except (zstandard.ZstdError, MemoryError) as error:
        _undecodable(place, error)


def unpack_first(file: IO[bytes], *, place: str) -> tuple[bytes, int]:
    """Decompress the frame a file begins with, and say how long it is compressed.

    Raises `RecordingError`.
    """
    data = file.read(_HEAD_BYTES)
    try:
        _distrust(data, place, None, most=MOST_HEADER_BYTES)
        stream = zstandard.ZstdDecompressor().decompressobj()
        body, length = stream.decompress(data), len(data)
        while not stream.eof and (data := file.read(_HEAD_BYTES)):
            body += stream.decompress(data)
            length += len(data)
    except (zstandard.ZstdError, MemoryError) as error:
        _undecodable(place, error)
    if not stream.eof:
        _damaged(place, "the file ends inside it")
    return body, length - len(stream.unused_data)


def _distrust(data: bytes, place: str, size: int | None, *, most: int = MOST_FRAME_BYTES) -> None:
    # Before anything is allocated: a damaged length could ask for all the memory there is.
    told = zstandard.get_frame_parameters(data)
    if not told.has_checksum:
        _damaged(place, "the frame has no checksum, as every frame of a recording does")
    if told.content_size > most or (size is not None and told.content_size != size):
        _damaged(place, "the frame claims another size than it can have")


def _undecodable(place: str, error: Exception) -> NoReturn:
    why = re.sub(r"^(could not|cannot) get frame parameters: |^decompression error: ", "", str(error))
    _damaged(place, f"the frame does not decompress ({why or 'too large'})")


def _damaged(place: str, why: str) -> NoReturn:
    raise RecordingError(f"damaged: {why}", place=place, cure=CURE_DAMAGED) from None


CURE_DAMAGED: Final = "copy or import it again"
