"""A name → an estimator, or one clear sentence why not. No torch until something is built.

A name is one of `models.MODELS`, a folder with config.json and model.safetensors, or a hub id ("owner/name").
What cannot work is refused in the order of what it costs to find out: name, licence, packages, device, weights.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from splatcam.estimators import Estimator, EstimatorUnavailable, ReportProgress, hub
from splatcam.estimators.da3_loading import read_da3_name
from splatcam.estimators.hub import CONFIG_FILE, WEIGHTS_FILE
from splatcam.estimators.models import BY_DA3_NAME, BY_HUB_ID, DEFAULT_REVISION, MODELS, OWN_LICENCE, Model
from splatcam.settings import ENVIRONMENT_PREFIX, Settings

DA3_MODULES = ("depth_anything_3", "omegaconf", "addict", "einops", "e3nn", "safetensors", "huggingface_hub")
# frames: of cameras, each for itself, as fast as can be; scenes: all that a model can, several views at once too.
Use = Literal["frames", "scenes"]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Target:
    """What a name means: a model and, where it is not the hub's, the folder of its weights."""

    model: Model
    folder: Path | None = None


def build(name: str, settings: Settings, report: ReportProgress, use: Use = "scenes") -> Estimator:
    """The estimator, loaded and warm. `auto` gives what serves at once; auto.py says what replaces it.

    Raises EstimatorUnavailable.
    """
    make = _OURS.get(name)
    if make is not None:
        return make(settings)
    target = resolve(name)
    require_licence(target.model, settings)
    require_da3(name)
    device = resolve_device(settings.device)
    folder = target.folder or _fetch(target.model, settings, report)
    report(f"loading {target.model.title}", None)
    return _load(folder, target.model, device, settings, use)


def _load(folder: Path, model: Model, device: str, settings: Settings, use: Use) -> Estimator:
    """Depth Anything 3, as --steady and --da3-pass want it."""
    from splatcam.estimators import da3_live
    from splatcam.estimators.da3 import Da3Estimator
    from splatcam.estimators.da3_window import sees_two_views, with_window
    from splatcam.estimators.fast import OF_ANY_VIEWS

    is_fast = use == "frames" and settings.da3_pass == "fast"
    if is_fast and settings.steady != "window":
        return da3_live.load(folder, model, device, settings.process_res)
    optimisations = OF_ANY_VIEWS if is_fast else frozenset()
    estimator = Da3Estimator.load(folder, model, device, settings.process_res, optimisations)
    if settings.steady == "window" and sees_two_views(estimator):
        return with_window(estimator, settings.process_res)
    return estimator


def about_window(estimator: Estimator, settings: Settings) -> str:
    """What is to be said where --steady window was asked of a model that cannot; else nothing."""
    if settings.steady != "window" or estimator.holds == "world":
        return ""
    return "it sees each frame alone, so `--steady window` does what `--steady on` does"


def resolve(name: str) -> Target:
    """What a name means. Raises EstimatorUnavailable for one that means nothing."""
    if name in MODELS:
        return Target(MODELS[name])
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Target(_model_in(folder), folder)
    if folder.is_file():
        raise EstimatorUnavailable(f"{name} is a file: --model takes the folder with {CONFIG_FILE} and {WEIGHTS_FILE}")
    if _HUB_ID.fullmatch(name):
        return Target(_model_on_hub(name))
    if "/" in name or "\\" in name:
        raise EstimatorUnavailable(f"there is no folder {name}, and it is not a hub id (owner/name) either")
    close = difflib.get_close_matches(name, MODELS, n=1)
    choices = f"choose auto, {', '.join(MODELS)}, a folder or a hub id (owner/name)"
    raise EstimatorUnavailable(f"there is no model named {name!r}: {f'did you mean {close[0]}?' if close else choices}")


def _model_in(folder: Path) -> Model:
    """A folder's own name is all that clients learn of its path.

    Weights of a published architecture are presumed to be the published weights, with their licence.
    """
    published = BY_DA3_NAME.get(read_da3_name(folder))
    name = folder.resolve().name
    if published is None:
        return Model(name=name, title=f"Depth Anything 3 in {name}", licence=OWN_LICENCE)
    licence = f"{published.licence}, as published for {published.title}"
    return replace(published, name=name, title=f"{published.title} in {name}", licence=licence, hub_id=None)


def _model_on_hub(hub_id: str) -> Model:
    """A known model by its id, with or without its version at the end; else one that we know nothing about."""
    for known in (hub_id, f"{hub_id}-1.1"):
        published = BY_HUB_ID.get(known.casefold())
        if published is not None:
            revision = published.revision if known == hub_id else DEFAULT_REVISION
            return replace(published, name=hub_id, hub_id=hub_id, revision=revision)
    return Model(name=hub_id, title=hub_id, licence=OWN_LICENCE, hub_id=hub_id)


def require_licence(model: Model, settings: Settings) -> None:
    """Raises EstimatorUnavailable where consent is needed and was not given."""
    if model.non_commercial and not settings.accept_nc_license:
        raise EstimatorUnavailable(
            f"the weights of {model.title} are under {model.licence}, not for commercial use: `--accept-nc-license`"
            f" ({ENVIRONMENT_PREFIX}ACCEPT_NC_LICENSE=1) accepts that, or choose base, small, metric or mono"
        )


def missing_module() -> str | None:
    """The first module of Depth Anything 3's model layer that is not installed."""
    return next((name for name in DA3_MODULES if importlib.util.find_spec(name) is None), None)


def require_da3(name: str) -> None:
    """Raises EstimatorUnavailable where Depth Anything 3 is not installed."""
    missing = missing_module()
    if missing is not None:
        raise EstimatorUnavailable(
            f"--model {name} needs Depth Anything 3, which is not installed here (no module {missing}): `make setup`"
            " brings it, or `pip install 'splatcam[da3]'` and `pip install --no-deps depth-anything-3`"
        )


def resolve_device(wanted: str) -> str:
    """`auto` → cuda, mps or cpu, the first that is there. Raises EstimatorUnavailable for one that is not."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(device for device, is_there in there.items() if is_there)
    if not there[wanted]:
        known = {"cuda": "CUDA device", "mps": "Apple GPU"}[wanted]
        raise EstimatorUnavailable(f"torch {torch.__version__} sees no {known} here: leave out --device {wanted}")
    return wanted


def _fetch(model: Model, settings: Settings, report: ReportProgress) -> Path:
    assert model.hub_id is not None, "a model without a folder is on the hub"
    return hub.fetch(model.hub_id, settings.revision or model.revision, offline=settings.offline, report=report)


def _synthetic(settings: Settings) -> Estimator:
    from splatcam.estimators.synthetic import SyntheticEstimator

    return SyntheticEstimator(settings)


def _builtin(settings: Settings) -> Estimator:
    from splatcam.estimators.builtin import BuiltinEstimator

    return BuiltinEstimator(settings)


_OURS: dict[str, Callable[[Settings], Estimator]] = {
    "synthetic": _synthetic,
    "builtin": _builtin,
    "auto": _builtin,
}
