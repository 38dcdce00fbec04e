"""Sound on its way into a recording: pieces as they came → parts of about a second, in order. No thread, no file."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from splatcam.timeline.timeline_file import MAX_AUDIO_BYTES, AudioPart

MICROPHONE = "microphone"
SAMPLE_BYTES = 2
QUEUE_BYTES = 4 << 20  # forty seconds at the highest rate of a client: what comes while the disk is behind
QUEUE_PIECES = 4096
GAP_MS = 50.0  # a piece that begins so close to the end of the one before goes on with it: the page's clocks differ
PARTS_AT_ONCE = 8  # each is a block that goes to the disk by itself
RECENT_STEPS = 1024  # whose times are known: results come later than the sound of their moment


@dataclass(frozen=True)
class HeardPiece:
    """What a microphone heard without a break: int16, little-endian, one channel."""

    captured_at_ms: float  # of its first sample
    sample_rate: int
    samples: bytes

    @property
    def lasts_ms(self) -> float:
        return len(self.samples) / SAMPLE_BYTES / self.sample_rate * 1e3


class HeardQueue:
    """Pieces that wait, and what is needed to say before which step they were heard. Bounded: pieces that find no room
    are left out, and the time of the next one tells so."""

    def __init__(self) -> None:
        self._pieces: deque[HeardPiece] = deque()
        self._bytes = 0
        self._left_bytes = MAX_AUDIO_BYTES  # of the whole file
        self._steps = 0
        self._recent: deque[float] = deque(maxlen=RECENT_STEPS)

    def __len__(self) -> int:
        return len(self._pieces)

    def saw(self, captured_at_ms: float) -> None:
        """The next step of the file was captured then."""
        self._steps += 1
        self._recent.append(captured_at_ms)

    def put(self, piece: HeardPiece) -> bool:
        """Whether it was taken."""
        size_bytes = len(piece.samples)
        if self._bytes + size_bytes > min(QUEUE_BYTES, self._left_bytes) or len(self._pieces) >= QUEUE_PIECES:
            return False
        self._pieces.append(piece)
        self._bytes += size_bytes
        return True

    def take(self) -> list[AudioPart]:
        """What waits, oldest first; where there are many gaps, a part of it."""
        parts: list[AudioPart] = []
        while self._pieces and len(parts) < PARTS_AT_ONCE:
            piece = self._next_whole()
            self._bytes -= len(piece.samples)
            self._left_bytes -= len(piece.samples)
            parts.append(self._part(piece))
        return parts

    def clear(self) -> None:
        self._pieces.clear()
        self._bytes = 0

    def _next_whole(self) -> HeardPiece:
        """The oldest piece with those that go on with it, put together once: the live path waits for our owner's lock
        meanwhile."""
        first = self._pieces.popleft()
        samples, end_ms = [first.samples], first.captured_at_ms + first.lasts_ms
        while self._pieces and first.sample_rate == (piece := self._pieces[0]).sample_rate:
            if abs(piece.captured_at_ms - end_ms) > GAP_MS:
                break
            samples.append(self._pieces.popleft().samples)
            end_ms += piece.lasts_ms
        return replace(first, samples=b"".join(samples))

    def _part(self, piece: HeardPiece) -> AudioPart:
        return AudioPart(
            name=MICROPHONE,
            sample_rate=piece.sample_rate,
            channels=1,
            start_step=self._first_step_after(piece.captured_at_ms),
            volume=1.0,
            samples=piece.samples,
            captured_at_ms=piece.captured_at_ms,
        )

    def _first_step_after(self, captured_at_ms: float) -> int:
        """By the steps that are known: where none is, the next one."""
        step = self._steps
        for at_ms in reversed(self._recent):
            if at_ms < captured_at_ms:
                break
            step -= 1
        return step
