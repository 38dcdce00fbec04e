"""Writes the documents that say what the code says: protocol, settings, metrics under docs/. A test keeps them current.

python -m splatcam.docs
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from splatcam import metrics, settings, wire

FOLDER = Path(__file__).resolve().parent.parent / "docs"
WRITTEN = "<!-- Written by `python -m splatcam.docs`; change the code, not this file. -->\n"
PROTOCOL_OPENING = """
# The protocol, version 1

`GET /ws` upgrades to a websocket. Every message is binary.

- A client may simply send JPEGs, one a message, and never anything else: **the plain contract**. Each is answered by
  a `gaussian_ply` where the model predicts Gaussians, by a `pointcloud` elsewhere. No acknowledgement is needed.
- A client that says `hello` gets **the full contract**: it names the formats it reads, and acknowledges each result.
  At most a window of results is on its way to it: one measured round trip (2 to 8), and never more than about 80 ms of
  what the link carries. Beyond it the newest result replaces the one that waits.

Only the newest frame of a camera waits for the engine; older ones that were not begun are dropped without a word, so
a frame's answer is its result, its `error`, or a result of a later frame. Answers come in the order of the frames;
only a message that is refused as such (its form, its size) is told of at once.

Except for the bare JPEG each message is one msgpack map with a `type`. Optional fields are absent, never nil. Lengths
are in the estimator's unit (metres where the model is metric); axes are OpenCV's: x right, y down, z forward, the
camera at the origin.
"""
RECORDINGS = """
## Recordings over HTTP

Behind the same door as the websocket. A recording is a [.scam file](scam-format.md) of one camera.

- `GET /recordings`: a list, newest first. Each has `id`, `state` (`recording`, `ended`, `cut_off`), `began_at`,
  `steps`, `size_bytes`, `model`, `room`, `sound`.
- `GET /recordings/ID/index?after=N`: `state`, `num_steps`, `num_blocks`, `info`, and the `blocks` from number N on,
  each as [offset, size in bytes, kind, first step, number of steps]. Asked again, it tells what was recorded since.
- `GET /recordings/ID/take.scam`: the file as it is now, or a part of it (`Range`).
- `DELETE /recordings/ID`: 204; 409 while it is being recorded.

404: there is no such recording. 422: the file is damaged, and the answer says where. `cut_off`: the service was killed,
or the disk was full; all whole blocks are there.
"""
METRICS_OPENING = """
# Metrics

`GET /metrics` is read by Prometheus, in its text form or as OpenMetrics. It is behind the same door as the page: where
the service has a token, Prometheus sends it.

```yaml
scrape_configs:
  - job_name: splatcam
    authorization: { credentials_file: /run/secrets/splatcam-token }  # the value of --token
    static_configs: [{ targets: ["localhost:8000"] }]
```

At every moment received = delivered + superseded + unwatched + refused + failed + in flight:

```
splatcam_frames_received_total - sum(splatcam_frames_total) - splatcam_frames_in_flight == 0
```

Under load `superseded` grows: a camera sends more than the engine answers, and the newest frame wins. `failed`,
`splatcam_engine_restarts_total` and a p99 of `splatcam_event_loop_lag_seconds` over 0.02 are worth an alarm. Labels are
closed sets: no session, address or name of a client is in them. Beside these there are `process_…` (memory, open files,
processor time) of the server's process.

"""


def protocol() -> str:
    parts = [WRITTEN, PROTOCOL_OPENING, "\n## Client → server\n"]
    parts += [_message(message) for message in wire.CLIENT_MESSAGES]
    parts.append("\n## Server → client\n")
    parts += [_message(message) for message in wire.SERVER_MESSAGES]
    parts.append("\n## Inside them\n")
    parts += [_message(part) for part in (wire.ModelInfo, wire.Limits, wire.Bounds)]
    parts.append("\n## Error codes\n\nThe session goes on after each of them.\n\n| code | meaning |\n|---|---|\n")
    parts += [f"| `{code}` | {wire.ERROR_EXPLANATIONS[code]} |\n" for code in wire.ErrorCode]
    parts.append(RECORDINGS)
    parts.append("\n## Close codes\n\n| code | meaning |\n|---|---|\n")
    parts += [f"| {code} | {meaning} |\n" for code, meaning in wire.CLOSE_CODES.items()]
    return "".join(parts)


def settings_page() -> str:
    opening = "\n# Settings\n\nEach has a flag and an environment name; the flag wins.\n\n"
    return WRITTEN + opening + settings.describe()


def metrics_page() -> str:
    return WRITTEN + METRICS_OPENING + metrics.describe()


PAGES = {"protocol.md": protocol, "settings.md": settings_page, "metrics.md": metrics_page}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


def _message(message: type[BaseModel]) -> str:
    fields = message.model_fields
    title = f"`{fields['type'].default}`" if "type" in fields else message.__name__
    rows = "".join(_row(name, field) for name, field in fields.items() if name != "type")
    doc = " ".join((message.__doc__ or "").split())
    return f"\n### {title}\n\n{doc}\n\n| field | type | what |\n|---|---|---|\n{rows}"


def _row(name: str, field: FieldInfo) -> str:
    optional = "" if field.is_required() else "optional; "
    told = optional + (field.description or "") + _range(field.metadata)
    return f"| `{name}` | {_type(field.annotation)} | {told.strip('; ')} |\n"


def _range(metadata: Iterable[Any]) -> str:
    words = {annotated_types.Ge: "at least {ge}", annotated_types.Gt: "over {gt}", annotated_types.Le: "at most {le}",
             annotated_types.Lt: "under {lt}"}  # fmt: skip
    found = [words[type(m)].format(**vars_of(m)) for m in metadata if type(m) in words]
    return f" ({', '.join(found)})" if found else ""


def vars_of(constraint: Any) -> dict[str, Any]:
    return {name: getattr(constraint, name) for name in ("ge", "gt", "le", "lt") if hasattr(constraint, name)}


def _type(annotation: Any) -> str:
    """A type in the words of msgpack."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _type(next(a for a in arguments if a is not type(None)))
    if origin is Literal:
        return " or ".join(f"`{a}`" for a in arguments)
    if origin is list:
        return f"array of {_type(arguments[0])}"
    if origin is tuple:
        return f"array of {len(arguments)} {_type(arguments[0])}"
    if origin is dict:
        return f"map of {_type(arguments[0])} to {_type(arguments[1])}"
    if hasattr(annotation, "__metadata__"):
        return _type(annotation.__origin__)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "str"
    return {bytes: "bin", float: "float", int: "int", str: "str", bool: "bool"}.get(annotation, annotation.__name__)


if __name__ == "__main__":
    main()
