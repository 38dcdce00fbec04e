"""Depth Anything 3 as a network of two views, for `window.py`.

From three views on DA3 chooses the one that the others refer to; of two it is always the first, here the keyframe.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from splatcam.estimators import Estimator
from splatcam.estimators.da3 import Da3Estimator, normalise, to_prediction, warm_up
from splatcam.estimators.da3_views import first_from_camera
from splatcam.estimators.window import Pair, WindowEstimator

OF_EACH_VIEW = ("depth", "depth_conf", "intrinsics")  # of DA3's output map, [1, V, ...]
OF_EACH_PIXEL = ("means", "scales", "rotations", "harmonics", "opacities")  # of its Gaussians, [1, V·H·W, ...]


class Da3TwoViews:
    """Costs about two single views: both go through all of the network."""

    def __init__(self, estimator: Da3Estimator) -> None:
        self.info = estimator.info
        self._estimator = estimator

    def estimate_pair(self, key: Tensor, newest: Tensor, *, wants_gaussians: bool) -> Pair:
        """See `TwoViews`. Waits for the device: the pose is brought to the CPU."""
        views = [image.to(self._estimator.device) for image in (key, newest)]
        raw = self._estimator.run(torch.cat([normalise(image) for image in views], dim=1), wants_gaussians)
        name = self._estimator.da3_name
        return Pair(
            key=to_prediction({**one_view(raw, 0), "gaussians": None}, views[0], name),
            newest=to_prediction(one_view(raw, 1), views[1], name),
            key_from_newest=first_from_camera(raw["extrinsics"][0].cpu())[1],
        )


def sees_two_views(estimator: Estimator) -> bool:
    """Whether it is a Depth Anything 3 that predicts where views were taken from; mono and metric do not."""
    net = getattr(estimator, "net", None)
    any_view = getattr(net, "da3", net)  # the nested model keeps the any-view network inside
    return getattr(any_view, "cam_dec", None) is not None


def with_window(estimator: Da3Estimator, process_res: int) -> WindowEstimator:
    """The same model, warm, shown each frame beside a keyframe. Only where `sees_two_views`."""
    window = WindowEstimator(Da3TwoViews(estimator))
    if estimator.device.type == "cuda":
        warm_up(window, process_res)
    return window


def one_view(raw: Mapping[str, Any], view: int) -> dict[str, Any]:
    """DA3's output map as if that view were the only one."""
    own = dict(raw)
    for name in OF_EACH_VIEW:
        own[name] = raw[name][:, view : view + 1]
    if raw.get("gaussians") is not None:
        pixels = raw["depth"][0, 0].numel()
        part = slice(view * pixels, (view + 1) * pixels)
        parts = {name: getattr(raw["gaussians"], name)[:, part] for name in OF_EACH_PIXEL}
        own["gaussians"] = SimpleNamespace(**parts)
    return own
