"""3DGS PLY as a scene file: 14 floats a splat, 17 with normals, 62 with all harmonics. The layout is gsply_helpers'."""

from __future__ import annotations

from gsply_helpers import InvalidPly, PlyFields, encode_gaussian_ply, gaussians_from_ply_bytes, vertex_rows
from splatcam.files.checks import SceneUnreadable, only_valid, require_count
from splatcam.gaussians import Gaussians


def encode_ply(gaussians: Gaussians) -> bytes:
    """With harmonics in the layout of the 3DGS reference code, whose viewer takes no other; else the shortest one."""
    fields: PlyFields = "minimal" if gaussians.sh.shape[1] == 1 else "inria"
    return encode_gaussian_ply(gaussians, sh="full", ply_fields=fields)


def decode_ply(data: bytes) -> Gaussians:
    """Raises SceneUnreadable."""
    try:
        count = len(vertex_rows(data))
        require_count(count)
        return only_valid(gaussians_from_ply_bytes(data), count)
    except InvalidPly as error:
        raise SceneUnreadable(str(error)) from None
