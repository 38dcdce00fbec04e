"""The service's own steps as a library: photo → prediction → Gaussians → pruned → PLY. No server, no network.

    python examples/03_without_a_server.py photo.jpg scene.ply

Any `--model` name works in place of `builtin`: `giant` predicts Gaussians of its own, the others get them from depth.
"""

import sys
from pathlib import Path

import gsply_helpers
from splatcam.estimators import registry
from splatcam.frames import decode_frame
from splatcam.pipeline import to_grid
from splatcam.pixel_splats import pixel_splats
from splatcam.prune import PruneOptions, prune
from splatcam.settings import Settings

MODEL = "builtin"


def main(photo: Path, out: Path) -> None:
    estimator = registry.build(MODEL, Settings(model=MODEL), report=lambda text, progress: print(text))
    image = to_grid(decode_frame(photo.read_bytes()), long_side_px=504)
    prediction, _ = estimator.estimate(image, wants_gaussians=estimator.info.supports_gaussians)
    gaussians = prediction.gaussians if prediction.gaussians is not None else pixel_splats(prediction)
    kept, report = prune(gaussians, prediction.depth, PruneOptions(min_opacity=0.1, max_depth_percentile=0.95))
    out.write_bytes(gsply_helpers.encode_gaussian_ply(kept))
    print(f"{kept.count} of {gaussians.count} Gaussians in {out} ({report})")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "scene.ply"))
