"""`--model auto`: which model replaces the built-in one, and why, in words for the log and the page.

`plan` is pure; `gather` looks at the machine (torch for its devices, the cache for weights, the hub for at most 2 s).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from splatcam.estimators import EstimatorUnavailable, hub
from splatcam.estimators.models import MODELS, Model
from splatcam.settings import Settings

# On a CUDA machine the best that may run; anywhere else only what is quick enough, and only if it is here already.
CUDA_CANDIDATES = ("giant", "base")
OTHER_CANDIDATES = ("small",)


@dataclass(frozen=True)
class Facts:
    """What the decision rests on."""

    device: str  # cuda, mps or cpu
    missing: str | None  # a module that Depth Anything 3 needs and that is not installed
    licence_accepted: bool
    local: Mapping[str, bool]  # model name → its weights are on this machine
    hub_reachable: bool = False


@dataclass(frozen=True)
class Plan:
    """`model` replaces the built-in one when it is loaded; None: the built-in one stays."""

    model: str | None
    reason: str  # for people, to be read after the title of the model that runs and a colon


def choose(settings: Settings) -> Plan:
    """The plan for this machine."""
    try:
        return plan(gather(settings))
    except EstimatorUnavailable as error:
        return Plan(None, str(error))


def plan(facts: Facts) -> Plan:
    """Pure: no torch, no files, no network."""
    if facts.missing:
        return Plan(None, f"Depth Anything 3 is not installed (no module {facts.missing}): `make setup` brings it")
    if facts.device == "cuda":
        return _plan_for_cuda(facts)
    if facts.local.get("small"):
        return Plan("small", "its weights are on this machine")
    return Plan(
        None,
        f"there is no CUDA device, and on {facts.device} a model is only loaded if its weights are here:"
        " `--model small` downloads them and shows how fast it runs",
    )


def _plan_for_cuda(facts: Facts) -> Plan:
    wanted = candidates(facts.device, facts.licence_accepted)
    for model in wanted:
        is_local = facts.local.get(model.name)
        if is_local or facts.hub_reachable:
            how = "its weights are on this machine" if is_local else "its weights are downloaded first"
            return Plan(model.name, f"there is a CUDA device, and {how}{_hint(facts)}")
    names = " and ".join(model.title for model in wanted)
    return Plan(
        None,
        f"the weights of {names} are not on this machine and the model hub cannot be asked:"
        " connect, or name a folder with `--model FOLDER`",
    )


def candidates(device: str, licence_accepted: bool) -> list[Model]:
    """Best first, without those whose licence nobody accepted."""
    models = [MODELS[name] for name in (CUDA_CANDIDATES if device == "cuda" else OTHER_CANDIDATES)]
    return [model for model in models if licence_accepted or not model.non_commercial]


def gather(settings: Settings) -> Facts:
    """Look at this machine. Raises EstimatorUnavailable where the device asked for is not there."""
    from splatcam.estimators.registry import missing_module, resolve_device

    device = resolve_device(settings.device)
    missing = missing_module()
    wanted = candidates(device, settings.accept_nc_license) if missing is None else []
    local = {model.name: _is_local(model, settings) for model in wanted}
    must_ask = device == "cuda" and wanted and not local[wanted[0].name] and not settings.offline
    return Facts(
        device=device,
        missing=missing,
        licence_accepted=settings.accept_nc_license,
        local=local,
        hub_reachable=bool(must_ask) and hub.is_reachable(*_place(wanted[0], settings)),
    )


def _place(model: Model, settings: Settings) -> tuple[str, str]:
    assert model.hub_id is not None, "only models of the hub are candidates"
    return model.hub_id, settings.revision or model.revision


def _is_local(model: Model, settings: Settings) -> bool:
    return hub.find_local(*_place(model, settings)) is not None


def _hint(facts: Facts) -> str:
    if facts.licence_accepted:
        return ""
    giant = MODELS["giant"]
    return f" ({giant.title} predicts Gaussians itself, under {giant.licence}: `--accept-nc-license` allows it)"
