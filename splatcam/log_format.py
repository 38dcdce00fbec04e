"""How a line of the log looks: text for people, or one JSON map for machines. Decides nothing about what is logged.

What clients said may be in a message, so no record can end its line and begin another one, and none is long. Tokens
are taken out wherever they turn up.

    logger.info("session %s: %s", session_id, name, extra={"session": session_id})
"""

from __future__ import annotations

import json
import logging
import re
import time
from typing import Any

from splatcam.settings import Settings

LONGEST_MESSAGE = 1000
LONGEST_TRACEBACK = 20_000
# What a record may carry beside its message, by `extra=`.
FIELDS = ("event", "session", "frame_id", "stage_ms", "summary")
SECRET = re.compile(r"(token=|splatcam-\d+=|bearer\s+)[!-~]+", re.IGNORECASE)  # in an address, a cookie, a header
INDENT = "  | "  # of a traceback: none of its lines passes for a record


def configure(settings: Settings) -> None:
    """For a process, once."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])


def clean(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """One printable line without secrets, cut where it is too long. Escapes are Python's."""
    known = SECRET.sub(r"\1…", text)[: longest + 1]
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in known)
    return line if len(line) <= longest else line[:longest] + "…"


class TextLines(logging.Formatter):
    """The message; under it, where something failed, its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        lines = [clean(record.getMessage())]
        lines += [INDENT + clean(line) for line in self._traceback(record).splitlines()]
        return "\n".join(lines)

    def _traceback(self, record: logging.LogRecord) -> str:
        """Its end says what happened, so that is what is kept."""
        text = self.formatException(record.exc_info) if record.exc_info else ""
        return SECRET.sub(r"\1…", text)[-LONGEST_TRACEBACK:]


class JsonLines(TextLines):
    """`ts` (UTC), `level`, `logger`, `message`, and what the record carries."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, Any] = {
            "ts": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        fields |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if traceback := self._traceback(record):
            fields["exception"] = traceback
        return json.dumps(fields, default=str)
