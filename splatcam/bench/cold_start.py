"""From nothing to the first frame's packed bytes: each start is a process of its own, with weights on disk.

`python -m splatcam.bench.cold_start FOLDER DEVICE LONG_SIDE_PX` is such a process: it does what the engine's does, with
the model and the picture in FOLDER, and prints a line of JSON. Knows nothing of pages.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splatcam.estimators.hub import CONFIG_FILE, WEIGHTS_FILE
from splatcam.telemetry import percentile

if TYPE_CHECKING:
    from torch import Tensor

PROGRAM = ("-m", "splatcam.bench.cold_start")
PICTURE = "frame.jpg"
QUALITY = 90
WITHIN_S = 600


class ColdStartFailed(RuntimeError):
    """The process ended without a frame; the message is its last line."""


@dataclass(frozen=True)
class Stages:
    """Of one start, seconds."""

    imports_s: float  # torch and our modules; before them Python starts
    load_s: float  # weights onto the device, and warm
    frame_s: float  # JPEG → packed bytes
    splats: int


@dataclass(frozen=True)
class ColdStart:
    """Of one model. Medians, but for the worst."""

    model: str
    size: str  # of the picture, width x height
    weights_mb: float
    starts: int
    imports_s: float
    load_s: float
    frame_s: float
    total_s: float  # from before the process is started until its line is read
    worst_s: float
    splats: int


def measure(name: str, folder: Path, image: Tensor, device: str, starts: int) -> ColdStart:
    """`folder` has the model; `image` [H, W, 3] uint8. Raises ColdStartFailed."""
    from splatcam.frames import encode_picture

    (folder / PICTURE).write_bytes(encode_picture(image.numpy(), QUALITY, "420"))
    arguments = (str(folder), device, str(max(image.shape)))
    taken = [_start(arguments) for _ in range(starts)]
    totals = [total_s for total_s, _ in taken]
    stages = [asdict(stage) for _, stage in taken]
    weights_bytes = (folder / WEIGHTS_FILE).stat().st_size
    height, width = image.shape[:2]
    return ColdStart(
        model=name, size=f"{width}x{height}", weights_mb=weights_bytes / 1e6, starts=starts,
        imports_s=percentile([s["imports_s"] for s in stages], 0.5),
        load_s=percentile([s["load_s"] for s in stages], 0.5),
        frame_s=percentile([s["frame_s"] for s in stages], 0.5),
        total_s=percentile(totals, 0.5), worst_s=max(totals), splats=stages[0]["splats"],
    )  # fmt: skip


def _start(arguments: Sequence[str]) -> tuple[float, Stages]:
    """Seconds, and what they went into."""
    begin_s = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        command = [sys.executable, *PROGRAM, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            total_s = time.perf_counter() - begin_s
            process.wait(WITHIN_S)
        errors.seek(0)
        said = errors.read().strip()
    if not line:
        raise ColdStartFailed(said.rpartition("\n")[2] or f"it ended with {process.returncode}")
    return total_s, Stages(**json.loads(line))


def save(net: Any, da3_name: str, folder: Path) -> None:
    """As Depth Anything 3 keeps its models."""
    from safetensors.torch import save_model
    from torch import nn

    holder = nn.Module()
    holder.model = net  # keys start with `model.`
    save_model(holder, str(folder / WEIGHTS_FILE))
    (folder / CONFIG_FILE).write_text(json.dumps({"model_name": da3_name}), encoding="utf-8")


# ---------------------------------------------------------------- the process


def main(arguments: Sequence[str]) -> int:
    folder, device, long_side_px = Path(arguments[0]), arguments[1], int(arguments[2])
    begin_s = time.perf_counter()
    from splatcam.engine import EngineStatus
    from splatcam.engine.host import EngineHost
    from splatcam.frame_job import FrameJob
    from splatcam.pipeline import scene_variant
    from splatcam.settings import Settings

    imported_s = time.perf_counter()
    said: list[EngineStatus] = []
    settings = Settings(model=str(folder), device=device, process_res=long_side_px, accept_nc_license=True)
    host = EngineHost(settings, said.append)
    host.load()
    loaded_s = time.perf_counter()
    model = said[-1].model
    assert model is not None, "a host that has loaded says which model"
    variant = replace(scene_variant(model.supports_gaussians), min_opacity=0.0)  # which random weights do not mean
    result = host.process(FrameJob("camera", 0, 0.0, (folder / PICTURE).read_bytes(), (variant,)))
    done_s = time.perf_counter()
    splats = result.fields[variant]["num_splats"]
    stages = Stages(imported_s - begin_s, loaded_s - imported_s, done_s - loaded_s, splats)
    print(json.dumps(asdict(stages)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
