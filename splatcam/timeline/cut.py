"""Some steps of a recording as a .scam file of their own, counted from 0 again, with what is heard meanwhile.

A block that lies within them is taken as it is; where they begin in the middle of one, the scene before becomes its
checkpoint. Memory holds a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from splatcam.timeline.block_file import BlockKind, BlockWriter, Codec
from splatcam.timeline.nodes import Block, Picture, Result, TimelineError, scene_to_map
from splatcam.timeline.timeline_file import AudioPart, End, RecordedTimeline, write_sound
from splatcam.wire import Format

Progress = Callable[[int], None]  # how many steps are done


def steps_between(recorded: RecordedTimeline, first: int | None, last: int | None) -> range:
    """`last` is included; None: from the beginning, to the end. Raises TimelineError."""
    count = recorded.num_steps
    if not count:
        raise TimelineError("the recording has no steps")
    begin, end = 0 if first is None else first, count - 1 if last is None else last
    if not 0 <= begin <= end < count:
        raise TimelineError(f"steps {begin} to {end} are no part of the recording's 0 to {count - 1}")
    return range(begin, end + 1)


def write_cut(
    writer: BlockWriter, recorded: RecordedTimeline, steps: range, progress: Progress = lambda done: None
) -> None:
    """All of a file but its index. Raises BlockFileError, OSError."""
    writer.append(BlockKind.INFO, range(0), recorded.info.model_dump(), Codec.STORED)
    if static := recorded.static_scene():
        writer.append(BlockKind.STATIC, range(0), scene_to_map(static))
    _write_sounds(writer, recorded, steps)
    for within in recorded.block_ranges:
        part = range(max(within.start, steps.start), min(within.stop, steps.stop))
        if part:
            block = _part(recorded.block_of(part.start), part)
            shifted = range(part.start - steps.start, part.stop - steps.start)
            writer.append(BlockKind.STEPS, shifted, block.to_map(), _codec(block))
            progress(shifted.stop)
    writer.append(BlockKind.END, range(0), End().model_dump(), Codec.STORED)


def _part(block: Block, steps: range) -> Block:
    """Of those steps, all of them within the block."""
    if steps == block.span:
        return block
    inside = block.steps[steps.start - block.first_step : steps.stop - block.first_step]
    before = block.checkpoint if steps.start == block.first_step else block.scene_at(steps.start - 1)
    checkpoint = {name: node for name, node in before.items() if name not in inside[0].changes}
    return Block(steps.start, inside, checkpoint)


def _codec(block: Block) -> Codec:
    """Pictures and `compact` results are small already."""
    scenes = [block.checkpoint, *(step.changes for step in block.steps)]
    nodes = [node for scene in scenes for node in scene.values() if node is not None]
    is_packed = all(
        isinstance(node, Picture) or (isinstance(node, Result) and node.format is Format.COMPACT) for node in nodes
    )
    return Codec.STORED if is_packed else Codec.DEFLATE


def _write_sounds(writer: BlockWriter, recorded: RecordedTimeline, steps: range) -> None:
    timed: set[str] = set()
    for part in _heard_while(recorded, steps, timed):
        writer.append(BlockKind.AUDIO, range(0), part.to_map())
    for sound in recorded.sounds():
        cut = sound.cut(steps.start, steps.stop - 1, recorded.info.fps) if sound.name not in timed else None
        if cut is not None:
            write_sound(writer, cut)


def _heard_while(recorded: RecordedTimeline, steps: range, timed: set[str]) -> Iterator[AudioPart]:
    """Of the pieces that tell when they were captured, those of these steps' time. `timed`: gets their names."""
    first, last = recorded.facts_at(steps.start), recorded.facts_at(steps.stop - 1)
    if first is None or last is None:
        return
    end_ms = last.captured_at_ms + 1e3 / recorded.info.fps
    for part in recorded.audio_parts():
        if part.captured_at_ms is None:
            continue
        timed.add(part.name)
        seconds = len(part.samples) / (2 * part.channels * part.sample_rate)
        if part.captured_at_ms < end_ms and part.captured_at_ms + 1e3 * seconds > first.captured_at_ms:
            start_step = min(max(0, part.start_step - steps.start), len(steps) - 1)
            yield part.model_copy(update={"start_step": start_step})
