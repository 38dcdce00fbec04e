"""Time: a live stream is recorded, a program writes steps, both are shown step by step. No torch, no socket."""

from __future__ import annotations

from splatcam.timeline.block_file import BlockFileError
from splatcam.timeline.nodes import TimelineError
from splatcam.timeline.recording import LiveStep, Put, Recorder, RecordingReport, recording_variant
from splatcam.timeline.timeline import TimelineServer
from splatcam.timeline.timeline_file import Info, RecordedTimeline

__all__ = [
    "BlockFileError",
    "Info",
    "LiveStep",
    "Put",
    "RecordedTimeline",
    "Recorder",
    "RecordingReport",
    "TimelineError",
    "TimelineServer",
    "recording_variant",
]
