"""Where a viewer is in a timeline: a pure function of when it began to play, from where and how fast. No clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from splatcam.timeline.nodes import TimelineError

MIN_SPEED, MAX_SPEED = 0.05, 16.0
ROUNDING = 1e-6  # of a step: differences of a clock's times are not exact


class Motion(Enum):
    PAUSED = "paused"
    PLAYING = "playing"


@dataclass(frozen=True)
class Track:
    """What is played."""

    num_steps: int
    fps: float

    @property
    def last_step(self) -> int:
        return self.num_steps - 1


@dataclass(frozen=True)
class Playback:
    """At `started_at_s` it was at `step`, and goes on from there. A step may be between two: a pause keeps it."""

    started_at_s: float = 0.0
    step: float = 0.0
    speed: float = 1.0
    motion: Motion = Motion.PAUSED

    def position(self, now_s: float, track: Track) -> float:
        """In steps, 0 to the last one."""
        at = self.step
        if self.motion is Motion.PLAYING:
            at += max(0.0, now_s - self.started_at_s) * track.fps * self.speed
        return min(at, float(track.last_step))

    def timestep(self, now_s: float, track: Track) -> int:
        """The step that is shown."""
        return int(self.position(now_s, track) + ROUNDING)

    def is_playing(self, now_s: float, track: Track) -> bool:
        """Until the last step is reached."""
        return self.motion is Motion.PLAYING and self.position(now_s, track) < track.last_step

    def play(self, now_s: float, track: Track) -> Playback:
        """From where it is; from the beginning where it is at the end."""
        at = self.position(now_s, track)
        return Playback(now_s, 0.0 if at >= track.last_step else at, self.speed, Motion.PLAYING)

    def pause(self, now_s: float, track: Track) -> Playback:
        return Playback(now_s, self.position(now_s, track), self.speed)

    def seek(self, step: int, now_s: float, track: Track) -> Playback:
        """Goes on playing if it did. Raises TimelineError."""
        if not 0 <= step < track.num_steps:
            raise TimelineError(f"step {step} is outside the timeline's 0 to {track.last_step}")
        motion = Motion.PLAYING if self.is_playing(now_s, track) else Motion.PAUSED
        return Playback(now_s, float(step), self.speed, motion)

    def at_speed(self, speed: float, now_s: float, track: Track) -> Playback:
        """From where it is. Raises TimelineError."""
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise TimelineError(f"a speed is within {MIN_SPEED} and {MAX_SPEED:g}, not {speed}")
        return replace(self, started_at_s=now_s, step=self.position(now_s, track), speed=float(speed))
