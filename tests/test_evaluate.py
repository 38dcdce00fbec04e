"""The examination of the built-in model: what its page says follows from the figures."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splatcam.estimators.depth_net import about
from splatcam.frames import encode_picture
from tests.pictures import picture
from training import evaluate
from training.figures import Figures
from training.start import first_splats_s

WORST = Figures(abs_rel=0.4, delta1=0.4, order=0.5, edges=0.5)
MIDDLING = Figures(abs_rel=0.3, delta1=0.6, order=0.8, edges=0.4)
BEST = Figures(abs_rel=0.2, delta1=0.7, order=0.9, edges=0.3)


def test_a_network_that_is_the_best_in_every_column_is_said_to_be_with_its_margins() -> None:
    told = evaluate.verdict({"row prior": MIDDLING, "classical": WORST, "network": BEST})
    assert told == (
        "The network is the best in every column: AbsRel by 0.100, delta1 by 0.100, order by 0.100, edges by 0.100"
        " before the next."
    )


def test_where_the_network_is_not_the_best_the_page_says_so_and_who_is() -> None:
    network = Figures(abs_rel=0.35, delta1=0.7, order=0.9, edges=0.4)
    told = evaluate.verdict({"row prior": MIDDLING, "classical": WORST, "network": network})
    assert told == "The network is not the best in AbsRel (row prior 0.300), edges (row prior 0.400)."


def test_the_table_has_a_row_for_each_and_a_verdict() -> None:
    image = torch.from_numpy(picture(112, 84))
    depth = torch.linspace(4, 1, 84)[:, None].expand(84, 112).contiguous()
    lines = evaluate.table(iter([(image, depth, None)])).splitlines()
    assert [line.split("|")[1].strip() for line in lines[:5]] == ["", "---", "row prior", "classical", "network"]
    assert lines[-1].startswith("The network is ")


def test_every_size_that_the_network_may_look_at_has_a_row_with_and_without_a_real_picture() -> None:
    real = torch.from_numpy(picture(112, 84)), torch.linspace(4, 1, 84)[:, None].expand(84, 112).contiguous(), None
    for stereo, columns in ((None, 5), (real, 9)):
        lines = evaluate.sizes_table(1, stereo).splitlines()
        assert [line.split("|")[1].strip() for line in lines[2:]] == [str(px) for px in evaluate.LONG_SIDES_PX]
        assert {line.count("|") for line in lines} == {columns + 1}


def test_the_page_says_where_no_real_picture_was_had() -> None:
    assert "scikit-image was not installed" in evaluate.real_table(None)


def test_the_depth_of_the_stereo_pair_is_one_over_its_disparity_and_the_shift_of_its_cameras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    disparity = np.full((84, 112), 10.0, np.float32)
    disparity[:, 56:] = 2 * (10 + evaluate.STEREO_SHIFT_PX) - evaluate.STEREO_SHIFT_PX  # half as far
    disparity[:42, :28] = np.inf
    np.savez(tmp_path / "data" / evaluate.STEREO[1], disparity)
    Image.fromarray(picture(112, 84)).save(tmp_path / "data" / evaluate.STEREO[0])
    package = ModuleSpec("skimage", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: package)
    stereo = evaluate.stereo_pair()
    assert stereo is not None
    image, depth, known = stereo
    assert known is not None and image.shape == (378, 504, 3) and depth.shape == known.shape == (378, 504)
    assert not bool(known[:180, :120].any()) and bool(known[195:].all() and known[:, 135:].all())
    assert float(depth[300, 50] / depth[300, 450]) == pytest.approx(2)


def test_what_rests_does_not_change_under_a_depth_that_does_not() -> None:
    images = [torch.from_numpy(picture(112, 84))] * 8
    assert evaluate.jitter(images, evaluate._network()) == (0.0, pytest.approx(0.0, abs=1e-6))


def test_the_weights_say_what_they_are() -> None:
    assert about()["licence"] == "Apache-2.0" and int(about()["steps"]) > 0


def test_the_service_gives_splats_from_the_start_of_its_process() -> None:
    assert first_splats_s(encode_picture(picture(112, 84))) > 0
