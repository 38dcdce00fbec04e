"""config.json + model.safetensors → Depth Anything 3's network, on a device and ready to run.

Knows DA3's package: its registry of architectures, how to import its model layer without the rest of it, and which
of its keys are aliases. Knows nothing of frames and Gaussians. Nothing heavy is imported before a network is loaded.

Source: depth-anything-3 0.1.1, `registry.py`, `cfg.py` and `model/da3.py`.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splatcam.estimators import EstimatorUnavailable
from splatcam.estimators.hub import CONFIG_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)
PICKLED = {".pt", ".pth", ".bin", ".ckpt", ".pkl"}


def read_da3_name(folder: Path) -> str:
    """The `model_name` in a folder's config.json. Raises EstimatorUnavailable."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise EstimatorUnavailable(f"{folder} has no {CONFIG_FILE}: a model is {CONFIG_FILE} and {WEIGHTS_FILE}")
    try:
        name = json.loads(path.read_text(encoding="utf-8"))["model_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EstimatorUnavailable(f"{path} is no configuration with a model_name: {error!r}") from error
    if not isinstance(name, str):
        raise EstimatorUnavailable(f"{path} has a model_name that is not a text: {name!r}")
    return name


def load_network(folder: Path, device: str) -> nn.Module:
    """The network with its weights, in evaluation mode. Raises EstimatorUnavailable.

    The architecture comes from DA3's own registry by name, so a folder can bring numbers but no code.
    """
    name = read_da3_name(folder)
    require_weights(folder)
    with quiet_da3():
        net = build_architecture(name, folder)
    _load_weights(net, folder / WEIGHTS_FILE)
    return net.eval().requires_grad_(False).to(device)


def require_weights(folder: Path) -> None:
    """Raises EstimatorUnavailable where there is no safetensors file. Numbers are all that one can bring."""
    if (folder / WEIGHTS_FILE).is_file():
        return
    pickled = next((file.name for file in sorted(folder.iterdir()) if file.suffix in PICKLED), None)
    why = "" if pickled is None else f", and {pickled} is not read: files of its kind can run code of whoever made them"
    raise EstimatorUnavailable(f"{folder} has no {WEIGHTS_FILE}{why}")


def build_architecture(name: str, folder: Path) -> nn.Module:
    _stand_in_for_evo()
    from depth_anything_3.cfg import create_object, load_config
    from depth_anything_3.registry import MODEL_REGISTRY

    if name not in MODEL_REGISTRY:
        known = ", ".join(sorted(MODEL_REGISTRY))
        raise EstimatorUnavailable(f"{folder / CONFIG_FILE} names the model {name!r}; Depth Anything 3 knows {known}")
    return create_object(load_config(MODEL_REGISTRY[name]))


def _load_weights(net: nn.Module, path: Path) -> None:
    """Strict about what would be left random, lenient about what is left over: that cannot change a result."""
    from safetensors import SafetensorError
    from safetensors.torch import load_model
    from torch import nn

    holder = nn.Module()
    holder.model = net  # the keys in the file start with `model.`
    try:
        # DualDPT's four auxiliary levels share one LayerNorm; the file has it once and load_model knows.
        missing, unexpected = load_model(holder, path, strict=False)
    except (SafetensorError, OSError) as error:
        raise EstimatorUnavailable(f"{path} is damaged: {error}") from error
    except RuntimeError as error:
        reason = _last_line(error)
        raise EstimatorUnavailable(f"{path} does not fit the model that {CONFIG_FILE} names: {reason}") from error
    if missing:
        raise EstimatorUnavailable(f"{path} lacks {len(missing)} tensors of the model, the first is {min(missing)}")
    if unexpected:
        first = min(unexpected)
        log.warning("%s has %d tensors that the model does not use, the first is %s", path, len(unexpected), first)


def _last_line(error: Exception) -> str:
    return str(error).strip().rsplit("\n", 1)[-1].strip()


@contextlib.contextmanager
def quiet_da3() -> Iterator[None]:
    """For importing and building: DA3 prints on stdout, and is warned of what it uses (resolvers, TorchScript)."""
    os.environ.setdefault("DA3_LOG_LEVEL", "ERROR")  # read once, when DA3 is imported
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _stand_in_for_evo() -> None:
    """Where evo (GPL-3.0) is not installed, put something in its place that can be imported.

    DA3's Gaussian adapter imports it to align predicted poses to given ones, which is never asked of it here.
    """
    try:
        import evo.core.trajectory  # noqa: F401
    except ImportError:
        packages: dict[str, Any] = {name: types.ModuleType(name) for name in ("evo", "evo.core", "evo.core.trajectory")}
        packages["evo.core.trajectory"].PosePath3D = _NoPoses
        packages["evo.core"].trajectory = packages["evo.core.trajectory"]
        packages["evo"].core = packages["evo.core"]
        sys.modules.update(packages)


class _NoPoses:
    def __init__(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("evo is not installed: poses cannot be aligned to given ones")
