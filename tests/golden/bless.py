"""Writes the golden files again: `python -m tests.golden.bless`, after a change of the protocol that is meant.

NAME.msgpack is what travels; NAME.json says what it means, bytes as {"hex": ..., "then_zeros": n}.
compact_cases.py has those of the `compact` planes, scam_cases.py the recordings, each in a folder of their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from splatcam import wire
from tests.golden import compact_cases, scam_cases
from tests.golden.cases import CLIENT_CASES, SERVER_CASES

FOLDER = Path(__file__).resolve().parent


def golden_files() -> dict[str, bytes]:
    """File name → content, for every case."""
    files = {}
    for side, cases in (("client", CLIENT_CASES), ("server", SERVER_CASES)):
        for name, message in cases.items():
            files[f"{side}.{name}.msgpack"] = wire.encode(message)
            files[f"{side}.{name}.json"] = (json.dumps(meaning(message), indent=1) + "\n").encode()
    return files


def meaning(value: Any) -> Any:
    """A message as JSON can say it; None fields are left out, as on the wire."""
    if isinstance(value, (BaseModel, dict)):
        return {k: meaning(v) for k, v in dict(value).items() if v is not None}
    if isinstance(value, bytes):
        content = value.rstrip(b"\0")
        return {"hex": content.hex(), "then_zeros": len(value) - len(content)}
    if isinstance(value, (list, tuple)):
        return [meaning(v) for v in value]
    return value


def main() -> None:
    for stale in [*FOLDER.glob("*.msgpack"), *FOLDER.glob("*.json")]:
        stale.unlink()
    for name, content in golden_files().items():
        (FOLDER / name).write_bytes(content)
    _replace(compact_cases.FOLDER, compact_cases.compact_files())
    _replace(scam_cases.FOLDER, scam_files())


def scam_files() -> dict[str, bytes]:
    """File name → content, for every recording."""
    files = {}
    for name, make in scam_cases.SCAM_CASES.items():
        data = make()
        files[f"{name}.scam"] = data
        files[f"{name}.json"] = (json.dumps(meaning(scam_cases.told(data)), indent=1) + "\n").encode()
    return files


def _replace(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for stale in folder.iterdir():
        stale.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
