"""Whether a client uses its place. Pure: whoever asks brings the time, in seconds of any steady clock."""

from __future__ import annotations


class Idle:
    """A client begins within `first_message_s`, and from then on lets no `idle_s` pass without using its place."""

    def __init__(self, first_message_s: float, idle_s: float, now_s: float) -> None:
        self._first_message_s = first_message_s
        self._idle_s = idle_s
        self._has_begun = False
        self._since_s = now_s

    def began(self, now_s: float) -> None:
        """It said what it wants. To say it again is no use of the place."""
        if not self._has_begun:
            self._has_begun = True
            self._since_s = now_s

    def used(self, now_s: float) -> None:
        """It sent or took something, or it was us that it waits for. Before it has begun that changes nothing."""
        if self._has_begun:
            self._since_s = now_s

    def left_s(self, now_s: float) -> float:
        """Until it is idle; 0: it is."""
        return max(0.0, self._since_s + self._allowed_s - now_s)

    @property
    def reason(self) -> str:
        what = "nothing was sent or watched" if self._has_begun else "neither a hello nor a frame came"
        return f"{what} for {self._allowed_s:g} s"

    @property
    def _allowed_s(self) -> float:
        return self._idle_s if self._has_begun else self._first_message_s
