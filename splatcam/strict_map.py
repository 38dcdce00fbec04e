"""What any msgpack map of ours must be, whoever sent or wrote it: string keys, none twice, no extension types."""

from __future__ import annotations

from typing import Any


def string_map(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """For msgpack's object_pairs_hook. Raises ValueError; TypeError for a key that cannot be hashed."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key comes twice")
    if not all(isinstance(name, str) for name in fields):
        raise ValueError("a key is no string")
    return fields


def no_extension(code: int, data: bytes) -> Any:
    """For msgpack's ext_hook."""
    raise ValueError("an extension type")
