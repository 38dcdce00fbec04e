"""The heads' convolutions with channels as the fastest axis, as tensor cores read them.

The library otherwise turns maps around before and after each convolution. Another kernel may add in another order.
"""

from __future__ import annotations

from typing import Any

import torch


def order(net: Any) -> None:
    for head in (net.head, getattr(net, "gs_head", None)):
        if head is not None:
            head.to(memory_format=torch.channels_last)
