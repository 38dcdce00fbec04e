"""Colour that depends on the direction: real spherical harmonics of degree 0 to 3 in the order and signs of 3DGS.

One formula for arrays and for compiled code: `basis` is plain arithmetic, so numba compiles the same function.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gsply_helpers import SH_C0

Array = np.ndarray[Any, Any]

# Each is a polynomial's normalisation over the sphere; the numbers of the 3DGS reference code (Kerbl et al. 2023).
SH_C1 = 0.4886025119029199
SH_C2 = (1.0925484305920792, 0.31539156525252005, 0.5462742152960396)
SH_C3 = (0.5900435899266435, 2.890611442640554, 0.4570457994644658, 0.3731763325901154, 1.445305721320277)


def basis(x: Any, y: Any, z: Any) -> tuple[Any, ...]:
    """The 16 functions at unit directions (x, y, z), numbers or arrays; degree d needs the first (d + 1)²."""
    xx, yy, zz = x * x, y * y, z * z
    return (
        SH_C0,
        -SH_C1 * y,
        SH_C1 * z,
        -SH_C1 * x,
        SH_C2[0] * x * y,
        -SH_C2[0] * y * z,
        SH_C2[1] * (2 * zz - xx - yy),
        -SH_C2[0] * x * z,
        SH_C2[2] * (xx - yy),
        -SH_C3[0] * y * (3 * xx - yy),
        SH_C3[1] * x * y * z,
        -SH_C3[2] * y * (4 * zz - xx - yy),
        SH_C3[3] * z * (2 * zz - 3 * xx - 3 * yy),
        -SH_C3[2] * x * (4 * zz - xx - yy),
        SH_C3[4] * z * (xx - yy),
        -SH_C3[0] * x * (xx - 3 * yy),
    )


def colors(sh: Array, directions: Array) -> Array:
    """sh [N, K, 3] seen along `directions` [N, 3], of any length but 0 → rgb [N, 3], 0 at least, without an upper end.

    0.5 is added, as 3DGS does.
    """
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    weights = np.stack(np.broadcast_arrays(*basis(*unit.T)), axis=1)[:, : sh.shape[1]]
    return np.maximum(0.0, 0.5 + np.einsum("nk,nkc->nc", weights, sh))
