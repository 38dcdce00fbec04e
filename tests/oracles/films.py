"""MP4 files, read by others' decoders and by their boxes."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def decode(path: Path) -> list[np.ndarray]:
    """[H, W, 3] uint8 of every frame."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def atoms(path: Path) -> list[str]:
    """The names of the boxes at the top (ISO/IEC 14496-12), in order."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        names.append(data[at + 4 : at + 8].decode("ascii"))
        at += size if size != 1 else int.from_bytes(data[at + 8 : at + 16], "big")
    return names


def write_sound(path: Path) -> None:
    """A film without pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 44_100), np.float32), format="fltp", layout="mono")
        sound.rate = 44_100
        container.mux([*stream.encode(sound), *stream.encode()])
