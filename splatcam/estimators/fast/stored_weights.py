"""The backbone's weights in the precision that autocast multiplies them in.

Autocast rounds every weight of every linear layer again in every frame: for giant 9 GB that go through memory. Rounded
once they give the same bits, and take half the room. Needs autocast from then on.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

ROUNDED_BY_AUTOCAST = (nn.Linear, nn.Conv2d)


def store(net: Any, dtype: torch.dtype) -> None:
    """Norms, layer scales, tokens and position embeddings stay float32: autocast does not round them either."""
    if dtype == torch.float32:
        return
    for module in net.backbone.modules():
        if isinstance(module, ROUNDED_BY_AUTOCAST):
            module.to(dtype)
