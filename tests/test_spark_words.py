from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gsply_helpers import dc_from_rgb
from splatcam.codecs.packed16 import pack_words as pack_with_torch
from splatcam.gaussians import Gaussians
from splatcam.timeline.nodes import TimelineError
from splatcam.timeline.spark_words import GaussianArrays, pack_words
from tests.oracles.plain_splat import rotation_bytes, unpack

BYTES = np.dtype([("bytes", "u1", 16)])


def arrays(count: int, seed: int = 0) -> dict[str, Any]:
    make = np.random.default_rng(seed)
    rotations = make.standard_normal((count, 4)).astype(np.float32)
    return {
        "means": make.standard_normal((count, 3)).astype(np.float32),
        "scales": np.exp(make.uniform(-14, 10, (count, 3))).astype(np.float32),
        "rotations": rotations / np.linalg.norm(rotations, axis=1, keepdims=True),
        "opacities": make.random(count, dtype=np.float32),
        "colors": make.integers(0, 256, (count, 3), dtype=np.uint8),
    }


def test_arrays_give_the_words_that_tensors_give_but_for_roundings_in_the_middle() -> None:
    given_ = arrays(20_000)
    tensors = {name: torch.from_numpy(given_[name]) for name in ("means", "scales", "rotations", "opacities")}
    sh = dc_from_rgb(torch.from_numpy(given_["colors"])[:, None].to(torch.float32) / 255)
    expected = pack_with_torch(Gaussians(**tensors, sh=sh)).numpy().tobytes()
    ours = pack_words(GaussianArrays(**given_))
    assert len(ours) == len(expected)
    difference = np.abs(np.frombuffer(ours, np.uint8).astype(int) - np.frombuffer(expected, np.uint8))
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3


@given(st.tuples(*[st.floats(-1, 1, width=32)] * 4).filter(lambda q: sum(v * v for v in q) > 1e-3))
def test_a_rotation_is_that_of_the_plain_writer(rotation: tuple[float, ...]) -> None:
    given_ = {**arrays(1), "rotations": np.array([rotation], np.float32)}
    record = pack_words(GaussianArrays(**given_))[:16]
    expected = rotation_bytes(rotation)
    assert all(abs(a - b) <= 1 for a, b in zip((record[10], record[11], record[15]), expected, strict=True)) or (
        near_a_fold(rotation)
    )


def near_a_fold(rotation: tuple[float, ...]) -> bool:
    """Where a rounding decides between two ways to write the same axis, or whether there is one."""
    w, x, y, z = rotation
    length = sum(v * v for v in rotation) ** 0.5
    return min(abs(w), abs(x), abs(y), abs(z)) < 1e-5 * length or (x * x + y * y + z * z) ** 0.5 < 1e-3 * length


def test_colours_may_be_bytes_or_shares_and_read_back_as_they_were() -> None:
    given_ = arrays(100)
    shares = {**given_, "colors": given_["colors"].astype(np.float32) / 255}
    assert pack_words(GaussianArrays(**given_)) == pack_words(GaussianArrays(**shares))
    _, _, _, _, rgb = unpack(pack_words(GaussianArrays(**given_))[:16])
    assert rgb == pytest.approx(given_["colors"][0] / 255)


def test_nothing_is_no_words() -> None:
    assert pack_words(GaussianArrays(**arrays(0))) == b""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("means", np.zeros((3, 2)), "shape"),
        ("scales", np.zeros((3, 3)), "not positive"),
        ("rotations", np.zeros((3, 4)), "length zero"),
        ("opacities", np.full(3, np.nan), "no numbers"),
        ("colors", np.zeros((2, 3), np.uint8), "shape"),
        ("means", np.float32(1), "shape"),
    ],
)
def test_arrays_that_do_not_fit_are_named(name: str, value: Any, words: str) -> None:
    with pytest.raises(TimelineError, match=words):
        pack_words(GaussianArrays(**{**arrays(3), name: value}))
