"""The depth head without its ray branch. Knows `DualDPT`'s parts.

The branch predicts rays, from which poses could be solved. DA3 computes it for every frame and deletes its answer where
the camera decoder has one: a ninth of giant's arithmetic, a quarter of small's.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional as F

RAY_PARTS = ("refinenet1_aux", "refinenet2_aux", "refinenet3_aux", "refinenet4_aux", "output_conv1_aux",
             "output_conv2_aux")  # fmt: skip


def leave_out(net: Any) -> None:
    """Only where the answer is not needed: of a head with two branches, in a network with a camera decoder."""
    head = net.head
    if getattr(net, "cam_dec", None) is None or not hasattr(head.scratch, RAY_PARTS[0]):
        return
    head._forward_impl = partial(depth_only, head)
    for name in RAY_PARTS:
        delattr(head.scratch, name)


def depth_only(head: Any, feats: list[Tensor], H: int, W: int, patch_start_idx: int) -> dict[str, Tensor]:
    """What the head's own `_forward_impl` gives for depth: features of four stages [B, T, C] → [B, H, W] each."""
    patch_px = head.patch_size
    rows, columns = H // patch_px, W // patch_px
    stages = [
        _stage(head, number, feats[take][:, patch_start_idx:], (rows, columns), (H, W))
        for number, take in enumerate(head.intermediate_layer_idx)
    ]
    fused = head.scratch.output_conv1(_fused(head.scratch, stages))
    size = (int(rows * patch_px / head.down_ratio), int(columns * patch_px / head.down_ratio))
    fused = F.interpolate(fused, size, mode="bilinear", align_corners=True)
    if head.pos_embed:
        fused = head._add_pos_embed(fused, W, H)
    logits = head.scratch.output_conv2(fused).permute(0, 2, 3, 1)
    return {
        head.head_main: head._apply_activation_single(logits[..., :-1], head.activation).squeeze(-1),
        f"{head.head_main}_conf": head._apply_activation_single(logits[..., -1], head.conf_activation),
    }


def _stage(head: Any, number: int, tokens: Tensor, grid: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Tokens [B, T, C] → the map of a stage on its own grid."""
    planes = head.norm(tokens).permute(0, 2, 1).unflatten(2, grid)
    planes = head.projects[number](planes)
    if head.pos_embed:
        planes = head._add_pos_embed(planes, size[1], size[0])
    return head.resize_layers[number](planes)


def _fused(scratch: Any, stages: list[Tensor]) -> Tensor:
    """From the coarsest stage to the finest."""
    fine, *_, coarse = same = [getattr(scratch, f"layer{n}_rn")(stage) for n, stage in enumerate(stages, start=1)]
    fused = scratch.refinenet4(coarse, size=same[2].shape[2:])
    fused = scratch.refinenet3(fused, same[2], size=same[1].shape[2:])
    fused = scratch.refinenet2(fused, same[1], size=fine.shape[2:])
    return scratch.refinenet1(fused, fine)
