"""Depth + image + intrinsics → Gaussians, one per pixel: the splat source for every model that knows depth.

Owns the geometry of a pixel on a surface. Knows no model, no pruning and no wire format; runs where the depth lies
and never waits for the device.

What makes a splat right: seen from the camera, it is a round dot of its own pixel; seen from elsewhere, it lies in the
surface. So its covariance is J Jᵀ, J being how the surface point moves with the pixel, plus a little thickness along
the normal. `_shape` brings that into scales and a quaternion in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gsply_helpers import dc_from_rgb
from splatcam.estimators import Prediction
from splatcam.gaussians import Gaussians
from splatcam.prune import PruneOptions, depth_limits

SIGMA_PX = 0.6  # standard deviation in pixels: the dips between neighbours stay over 90 % opaque
THICKNESS_PX = 0.1  # standard deviation along the normal, so that a surface seen from its edge is thin
OPACITY = 0.95
# dz/z over a pixel's angle. About 80 degrees: steeper is no surface but the step from a thing to what lies behind it.
STEEPEST_SLOPE = 6.0
LEAST_VARIANCE = 1e-6  # of a tangent seen from its end, in SIGMA_PX squared: float32 may find less than nothing
NEAREST, FARTHEST = 1e-12, 1e12  # of a surface, in lengths of whatever unit: the squares stay well inside float32


@dataclass(frozen=True, eq=False)
class Window:
    """The pixels that become splats, and their rays."""

    grid: tuple[int, int]  # height, width
    rows: range  # of the grid; the step is the stride, as in columns
    columns: range
    u: Tensor  # [1, w] f32, x / z of the ray through each column's pixel centres
    v: Tensor  # [h, 1] f32, y / z
    focal_px: Tensor  # [2] f32, fx and fy; a pixel is `stride` pixels of the grid wide

    @classmethod
    def of(cls, grid: tuple[int, int], intrinsics: Tensor, rows: range, columns: range) -> Window:
        x, y = (torch.arange(r.start, r.stop, r.step, device=intrinsics.device) for r in (columns, rows))
        return cls(
            grid,
            rows,
            columns,
            u=((x + 0.5 - intrinsics[0, 2]) / intrinsics[0, 0])[None, :],
            v=((y + 0.5 - intrinsics[1, 2]) / intrinsics[1, 1])[:, None],
            focal_px=intrinsics.diagonal()[:2] / rows.step,
        )

    @property
    def stride(self) -> int:
        return self.rows.step

    def cut(self, plane: Tensor) -> Tensor:
        """The window's pixels of [H, W, ...]."""
        return plane[tuple(slice(r.start, r.stop, r.step) for r in (self.rows, self.columns))]

    def pixel_index(self) -> Tensor | None:
        """[h * w] int64 as in Gaussians, None where the window is the whole grid."""
        height, width = self.grid
        if (len(self.rows), len(self.columns)) == (height, width):
            return None
        x, y = (torch.arange(r.start, r.stop, r.step, device=self.u.device) for r in (self.columns, self.rows))
        return (y[:, None] * width + x).reshape(-1)


@dataclass(frozen=True, eq=False)
class PixelSurface:
    """What `pixel_splats` and `prune` would make their Gaussians of, for a client that makes them itself."""

    depth: Tensor  # [h, w] f32, within NEAREST and FARTHEST
    kept: Tensor | None  # [h, w] bool, the pixels that become splats; None where all do
    window: Window

    @property
    def count(self) -> int:
        return self.depth.numel() if self.kept is None else int(self.kept.count_nonzero())

    def axes(self) -> list[Tensor]:
        """x, y and z of the splats' means, [N] f32 each."""
        z = self.depth
        axes = (z * self.window.u, z * self.window.v, z)
        return [axis.reshape(-1) if self.kept is None else axis[self.kept] for axis in axes]


def pixel_splats(prediction: Prediction, stride: int = 1, border_fraction: float = 0.0) -> Gaussians:
    """One Gaussian for every `stride`-th pixel of every `stride`-th row, `stride` times as wide.

    `border_fraction` of the height (width) is left out at the top and the bottom (left and right), in whole pixels
    rounded down: what `prune` would drop need not be built. Rows in order, `grid` set; K = 1 (colour only).
    """
    window = window_of(prediction, stride, border_fraction)
    splats = surface_splats(window.cut(prediction.depth), window.cut(prediction.image), window)
    return splats if prediction.usable is None else splats.select(window.cut(prediction.usable).reshape(-1))


def surface_splats(depth: Tensor, image: Tensor, window: Window, opacity: float = OPACITY) -> Gaussians:
    """One Gaussian for every pixel of the window: `depth` [h, w] f32, `image` [h, w, 3] uint8."""
    scales, rotations = _shape(depth, window)
    means = _points(depth, window)
    return Gaussians(
        means=means,
        scales=scales,
        rotations=rotations,
        opacities=means.new_full((len(means),), opacity),
        sh=dc_from_rgb(image.to(depth.device).reshape(-1, 1, 3).to(torch.float32).div_(255)),
        grid=window.grid,
        pixel_index=window.pixel_index(),
    )


def pixel_points(prediction: Prediction, stride: int = 1, border_fraction: float = 0.0) -> tuple[Tensor, Tensor]:
    """The same pixels as `pixel_splats`, as points: positions [N, 3] f32, OpenCV axes, and colours [N, 3] uint8."""
    window = window_of(prediction, stride, border_fraction)
    positions = _points(window.cut(prediction.depth), window)
    colors = window.cut(prediction.image).to(positions.device).reshape(-1, 3)
    if prediction.usable is None:
        return positions, colors
    usable = window.cut(prediction.usable).reshape(-1)
    return positions[usable], colors[usable]


def pixel_surface(prediction: Prediction, stride: int, options: PruneOptions) -> PixelSurface:
    """The pixels whose splats `prune` would keep, told from depth alone: all splats have the same opacity.

    Depths that are no depths (0, infinite, not a number) are replaced by the nearest, and not kept.
    """
    window = window_of(prediction, stride, options.border_fraction)
    depth, kept = window.cut(prediction.depth), None if prediction.usable is None else window.cut(prediction.usable)
    if options.max_depth_percentile < 1:
        near = depth <= depth_limits(prediction.depth[None], options.max_depth_percentile)
        kept = near if kept is None else near & kept
    if options.min_opacity > OPACITY:
        kept = torch.zeros_like(depth, dtype=torch.bool)
    low, high = torch.stack(depth.aminmax()).tolist()  # not a number where one is not
    if not NEAREST <= low <= high <= FARTHEST:
        usable = (depth >= NEAREST) & (depth <= FARTHEST)
        nearest = depth.where(usable, FARTHEST).amin()
        depth, kept = depth.where(usable, nearest), usable if kept is None else usable & kept
    return PixelSurface(depth, kept, window)


def window_of(prediction: Prediction, stride: int, border_fraction: float) -> Window:
    """Of the pixels 0, stride, 2 stride … of rows and columns those inside the border."""
    height, width = prediction.depth.shape
    rows, columns = (_kept(side, stride, border_fraction) for side in (height, width))
    return Window.of((height, width), prediction.intrinsics, rows, columns)


def _kept(side: int, stride: int, border_fraction: float) -> range:
    """Of the pixels 0, stride, 2 stride … those inside the border."""
    border = int(border_fraction * side)
    return range(-(-border // stride) * stride, side - border, stride)


def _points(depth: Tensor, window: Window) -> Tensor:
    return _columns(depth * window.u, depth * window.v, depth)


def _columns(*planes: Tensor) -> Tensor:
    """k planes of N values → [N, k]. On a CPU writing column by column takes a third of the time of torch.stack."""
    together = planes[0].new_empty((planes[0].numel(), len(planes)))
    for i, plane in enumerate(planes):
        together[:, i] = plane.reshape(-1)
    return together


def _shape(depth: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Scales [N, 3] and rotations [N, 4] of the splats of `depth` [h, w].

    With a = ∂ln z/∂u, b = ∂ln z/∂v, a plane has the normal n ∝ (-a, -b, 1 + a u + b v). The shortest turn from z to n
    is the quaternion ∝ (1, q, -p, 0); in the axes it makes of x and y, the pixel's two tangents are z times the
    columns of I + (u + p, v + q)ᵀ (a, b). One Jacobi rotation by ψ about n diagonalises their 2x2 covariance.
    """
    u, v, (fx, fy) = window.u, window.v, window.focal_px
    height_px = fx / fy  # of a pixel, in its widths
    disparity = depth.reciprocal()
    a = _slope(disparity, 1).mul_(depth).mul_(-fx)
    b = _slope(disparity, 0).mul_(depth).mul_(-fy)
    steepness = (a * a + b * b).sqrt_()
    fade = (2 - steepness / STEEPEST_SLOPE).clamp_(0, 1)  # to a disc that faces the camera; no jump, so no flicker
    a, b = a.mul_(fade), b.mul_(fade)

    normal_z = a * u + b * v + 1
    length = (a * a + b * b + normal_z * normal_z).sqrt_()
    turn = (length + normal_z).reciprocal_()
    p, q = a * turn, b * turn

    along_u, along_v = u + p, v + q
    xx, xy = a * along_u + 1, b * along_u * height_px
    yx, yy = a * along_v, (b * along_v + 1) * height_px
    s11, s22, s12 = xx * xx + xy * xy, yx * yx + yy * yy, xx * yx + xy * yy
    mean, half = (s11 + s22) * 0.5, (s11 - s22) * 0.5
    spread = torch.copysign((half * half + s12 * s12 + 1e-12).sqrt_(), half)
    tan = s12 / (half + spread)  # of ψ, within ±45 degrees
    tan_half = tan / ((tan * tan + 1).sqrt_() + 1)

    sigma = depth * (SIGMA_PX / fx)
    scales = _columns(
        *(variance.clamp_(min=LEAST_VARIANCE).sqrt_().mul_(sigma) for variance in (mean + spread, mean - spread)),
        sigma * (THICKNESS_PX / SIGMA_PX),
    )
    w = (length * turn * 2 * (tan_half * tan_half + 1)).rsqrt_()
    rotations = _columns(w, (q - p * tan_half) * w, (p + q * tan_half) * -w, tan_half * w)
    return scales, rotations


def _slope(disparity: Tensor, dim: int) -> Tensor:
    """The change of 1 / z per pixel along `dim`; across a step in depth, that of the pixel's own side.

    Of the differences to the neighbours before and after the smaller one, 0 where they disagree in sign ("minmod",
    the slope limiter of van Leer 1979). 1 / z is linear on a plane, so planes come out exact.
    """
    if disparity.shape[dim] < 2:
        return torch.zeros_like(disparity)
    steps = disparity.diff(dim=dim)
    last = steps.shape[dim] - 1
    before = torch.cat((steps.narrow(dim, 0, 1), steps), dim=dim)
    after = torch.cat((steps, steps.narrow(dim, last, 1)), dim=dim)
    return torch.clamp(before, after.clamp(max=0), after.clamp(min=0))
