"""The picture as the formulas have it: numpy, float64, one Gaussian after the other. Slow; the others are held to it.

It knows no tiles and takes no short cuts: a Gaussian is left out of a pixel only where the conventions of
`splatcam.rendering` say so. What they leave open is settled here, for every rasterizer:
the weight of the Gaussian that closes a pixel counts, and nothing behind it; depth is Σ w z / Σ w;
depths are compared as float32 and the first of two equal ones is in front; a mean on the near plane is drawn;
a Gaussian with anything in it that is not finite, or with a quaternion of no length, is not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from splatcam.gaussians import TENSORS, Gaussians
from splatcam.rendering import BLACK, BLUR_PX2, LIMIT_FOV, MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, Color, Image
from splatcam.rendering.camera import Camera
from splatcam.rendering.harmonics import colors

Array = np.ndarray[Any, Any]

# What the blur does to a splat: classic makes it larger, antialiased keeps its integral, so that what is smaller than
# a pixel fades instead of growing (Mip-Splatting, Yu et al. 2024).
Filter = Literal["classic", "antialiased"]


class ReferenceRasterizer:
    """See Rasterizer. Takes about a second for 50,000 Gaussians that are a few pixels wide."""

    name = "reference"

    def __init__(self, filter: Filter = "classic") -> None:
        self.filter = filter

    def render(self, gaussians: Gaussians, camera: Camera, background: Color = BLACK) -> Image:
        splats = project(gaussians, camera, self.filter)
        rgb = np.zeros((camera.height, camera.width, 3))
        depth = np.zeros((camera.height, camera.width))  # weighted, until the end
        alpha = np.zeros((camera.height, camera.width))
        for number in np.argsort(splats.depth.astype(np.float32), kind="stable"):
            window, own = footprint(splats, number, camera.width, camera.height)
            through = 1 - alpha[window]
            weight = np.where(through >= MIN_TRANSMITTANCE, own * through, 0.0)
            rgb[window] += weight[..., None] * splats.rgb[number]
            depth[window] += weight * splats.depth[number]
            alpha[window] += weight
        return finished(rgb, depth, alpha, background)


@dataclass(frozen=True, eq=False)
class Splats:
    """M Gaussians in front of the camera, as ellipses on the screen, in pixels. All float64.

    An ellipse is kept as the variance of y and what is known of x once y is: the 2x2 matrix and its inverse say the
    same, but the determinant of a long thin splat as a c - b² is the difference of two equal numbers.
    """

    x: Array  # [M]
    y: Array  # [M]
    variance_x: Array  # [M] blur included, like the rest
    variance_y: Array  # [M]
    slope: Array  # [M] how far the middle of a row moves with y: covariance / variance_y
    variance_in_row: Array  # [M] of x, given y: determinant / variance_y
    opacity: Array  # [M]
    depth: Array  # [M] z in the camera's frame
    rgb: Array  # [M, 3]


def project(gaussians: Gaussians, camera: Camera, filter: Filter = "classic") -> Splats:
    """EWA projection (Zwicker et al. 2001); what is behind the near plane or too faint to be seen is left out."""
    means, scales, rotations, opacities, sh = (
        getattr(gaussians, name).detach().cpu().numpy().astype(np.float64) for name in TENSORS
    )
    with np.errstate(all="ignore"):  # what is not finite goes at the end
        x, y, z = camera_coordinates(means, camera)
        kept = (z >= camera.near) & (z <= np.finfo(np.float32).max) & np.any(rotations != 0, axis=1)
        for tensor in (means, scales, rotations, opacities, sh):
            kept &= np.isfinite(tensor).all(axis=tuple(range(1, tensor.ndim)))
        means, scales, rotations, opacities, sh = (a[kept] for a in (means, scales, rotations, opacities, sh))
        x, y, z = x[kept], y[kept], z[kept]
        a, b = half_axes(x / z, y / z, z, scales, rotations, camera)
        xx, xy, yy = (a * a).sum(1), (a * b).sum(1), (b * b).sum(1)
        sharp = (np.cross(a, b) ** 2).sum(1)  # the determinant before the blur
        determinant = sharp + BLUR_PX2 * (xx + yy) + BLUR_PX2**2
        xx, yy = xx + BLUR_PX2, yy + BLUR_PX2
        splats = Splats(
            x=camera.fx * x / z + camera.cx,
            y=camera.fy * y / z + camera.cy,
            variance_x=xx,
            variance_y=yy,
            slope=xy / yy,
            variance_in_row=determinant / yy,
            opacity=opacities * (np.sqrt(sharp / determinant) if filter == "antialiased" else 1.0),
            depth=z,
            rgb=colors(sh, means - camera.position),
        )
    bright = splats.opacity > MIN_ALPHA
    return Splats(*(getattr(splats, field.name)[bright] for field in fields(splats)))


def camera_coordinates(means: Array, camera: Camera) -> tuple[Array, Array, Array]:
    """x, y, z of [N, 3]. One product after the other: compiled code then rounds, and so sorts, as this does."""
    matrix = camera.camera_from_world
    x, y, z = means.T
    return tuple(row[0] * x + row[1] * y + row[2] * z + row[3] for row in matrix[:3])


def half_axes(u: Array, v: Array, z: Array, scales: Array, rotations: Array, camera: Camera) -> tuple[Array, Array]:
    """The rows of J W R S, [M, 3] each: how x and y in pixels move with the Gaussian's own axes, one sigma along each.

    Their products are the covariance on the screen.
    """
    lowest, highest = jacobian_limits(camera)
    u, v = np.clip(u, lowest[0], highest[0]), np.clip(v, lowest[1], highest[1])
    right, down, forward = camera.camera_from_world[:3, :3]
    along_x = (camera.fx / z)[:, None] * (right - u[:, None] * forward)  # gradients of x and y in the world
    along_y = (camera.fy / z)[:, None] * (down - v[:, None] * forward)
    axes = rotation_matrices(rotations)
    return scales * np.einsum("nk,nkj->nj", along_x, axes), scales * np.einsum("nk,nkj->nj", along_y, axes)


def jacobian_limits(camera: Camera) -> tuple[tuple[float, float], tuple[float, float]]:
    """Least and greatest (x / z, y / z) at which the Jacobian is taken; the margin is the same on all sides."""
    margin_x = (LIMIT_FOV - 1) * 0.5 * camera.width / camera.fx
    margin_y = (LIMIT_FOV - 1) * 0.5 * camera.height / camera.fy
    lowest = -camera.cx / camera.fx - margin_x, -camera.cy / camera.fy - margin_y
    highest = (camera.width - camera.cx) / camera.fx + margin_x, (camera.height - camera.cy) / camera.fy + margin_y
    return lowest, highest


def rotation_matrices(quaternions: Array) -> Array:
    """[M, 4] wxyz of any length but 0 → [M, 3, 3], its columns the Gaussian's axes in the world."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def footprint(splats: Splats, number: int, width: int, height: int) -> tuple[tuple[slice, slice], Array]:
    """The pixels that a splat can reach, and its alpha in each of them before what is in front."""
    opacity = splats.opacity[number]
    reach = np.sqrt(2 * np.log(opacity / MIN_ALPHA))  # in sigmas: where it has faded to MIN_ALPHA
    rows = _pixels(splats.y[number], reach * np.sqrt(splats.variance_y[number]), height)
    columns = _pixels(splats.x[number], reach * np.sqrt(splats.variance_x[number]), width)
    dy = np.arange(rows.start, rows.stop)[:, None] + 0.5 - splats.y[number]
    dx = np.arange(columns.start, columns.stop) + 0.5 - splats.x[number] - splats.slope[number] * dy
    distance2 = dy**2 / splats.variance_y[number] + dx**2 / splats.variance_in_row[number]
    alpha = np.minimum(MAX_ALPHA, opacity * np.exp(-distance2 / 2))
    return (rows, columns), np.where(alpha >= MIN_ALPHA, alpha, 0.0)


def finished(rgb: Array, weighted_depth: Array, alpha: Array, background: Color) -> Image:
    over = rgb + (1 - alpha[..., None]) * np.asarray(background)
    depth = np.divide(weighted_depth, alpha, out=np.zeros_like(alpha), where=alpha > 0)
    return Image(over.clip(0, 1).astype(np.float32), depth.astype(np.float32), alpha.astype(np.float32))


def _pixels(middle: float, reach: float, count: int) -> slice:
    """Of `count` pixels in a line, those with a centre within `reach`, and one to each side for what rounding does."""
    first, last = np.clip((middle - reach - 1.5, middle + reach + 1.5), 0, count)
    return slice(int(first), int(np.ceil(last)))
