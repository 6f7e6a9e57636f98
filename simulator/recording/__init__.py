"""Recordings: portable files of facts to replay. The format is in `docs/reference/recording-format.md`."""

from simulator.recording.format import (
    EXTENSION,
    GROUP_FACTS,
    LANES,
    VERSIONS,
    AnyLabel,
    EpisodeLabel,
    Footer,
    FrameEntry,
    Header,
    Label,
    Origin,
    RecordedStep,
    RecordedVerdict,
    lane_of,
    lane_of_key,
    lanes_of,
)
from simulator.recording.reader import LaneFrame, Recording
from simulator.recording.writer import RecordingWriter

__all__ = [
    "EXTENSION",
    "GROUP_FACTS",
    "LANES",
    "VERSIONS",
    "AnyLabel",
    "EpisodeLabel",
    "Footer",
    "FrameEntry",
    "Header",
    "Label",
    "LaneFrame",
    "Origin",
    "RecordedStep",
    "RecordedVerdict",
    "Recording",
    "RecordingWriter",
    "lane_of",
    "lane_of_key",
    "lanes_of",
]
