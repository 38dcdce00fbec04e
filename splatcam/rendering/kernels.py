"""The compiled loops of `cpu.py`: project, sort by depth, deal out to bands of rows, blend. numba; arrays in and out.

Formulas and conventions are those of `reference.py`, in float64 up to the row of a splat; only the pixels of a row are
in float32, where everything is small. Importing this needs numba. Compiling takes some seconds at the first call and is
kept on disk, beside this file or, where that cannot be written, in the user's cache; numba makes it anew when this
file changes, not when a constant that it imports does.

The picture is kept in cells of LANES pixels beside one another, so that one step of a loop is one vector instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from splatcam.rendering import BLUR_PX2, MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE
from splatcam.rendering.harmonics import basis

Array = np.ndarray[Any, Any]

LANES = 8  # pixels in a cell
R, G, B, DEPTH, ALPHA = (LANES * plane for plane in range(5))  # where each plane of a cell begins
CELL = 5 * LANES
ROWS_PER_BAND = 32  # what is drawn at one time stays in the cache of a core

# Columns of Splats.shapes.
X, Y, SLOPE, PRECISION_Y, ROOT_IN_ROW, REACH2, OPACITY, Z = range(8)

RADIX_BITS = 11
RADIX_PASSES = 3  # of 11 bits: 32 and one to spare
LOOK_EVERY = 1024  # splats drawn in a band until it is looked for cells that take no more
HIDDEN = np.uint32(0xFFFFFFFF)  # the key of what is not drawn; larger than that of any depth
FARTHEST = float(np.finfo(np.float32).max)

# exp(-p) for p up to SPAN as a polynomial, raised to the power 2 ** SQUARINGS: no branch, no table, all lanes at once.
SQUARINGS = 4
SPAN = -np.log(MIN_ALPHA) / 2**SQUARINGS
_FIT = np.polynomial.Chebyshev.interpolate(lambda p: np.exp(-p), 5, (0, SPAN)).convert(kind=np.polynomial.Polynomial)
E0, E1, E2, E3, E4, E5 = (np.float32(c) for c in _FIT.coef)
TO_P = np.float32(0.5 / 2**SQUARINGS)  # times the squared distance

MOST = np.float32(MAX_ALPHA)
CLOSED = np.float32(1 - MIN_TRANSMITTANCE)  # a pixel that is covered by more takes nothing any more
ZERO, ONE = np.float32(0), np.float32(1)


class Cloud(NamedTuple):
    """The tensors of Gaussians, f32."""

    means: Array
    scales: Array
    rotations: Array
    opacities: Array
    sh: Array


class View(NamedTuple):
    """A camera, and the filter, as compiled code takes it."""

    pose: Array  # [3, 4] f64, camera_from_world
    position: Array  # [3] f64
    lens: Array  # [4] f64: fx, fy, cx, cy
    lowest: Array  # [2] f64, see jacobian_limits
    highest: Array  # [2] f64
    near: float
    width: int
    height: int
    antialiased: bool


class Splats(NamedTuple):
    """Room for N Gaussians on the screen. Where a key is HIDDEN, the other values mean nothing."""

    keys: Array  # [N] u32, the bits of the depth as a float: positive ones are in the order of their bits
    rows: Array  # [N, 2] i32, first and last row of pixels that may be reached
    shapes: Array  # [N, 8] f64, one line of the processor's cache each; see the Splats of `reference.py`
    colors: Array  # [N, 3] f32


class Planes(NamedTuple):
    """The arrays of an Image."""

    rgb: Array
    depth: Array
    alpha: Array


def compiled(**options: Any) -> Callable[[Any], Any]:
    """numba.njit that lets other threads run and keeps its result on disk where there is a place for it."""

    def decorate(function: Any) -> Any:
        try:
            return numba.njit(nogil=True, error_model="numpy", cache=True, **options)(function)
        except RuntimeError:  # no folder can be written
            return numba.njit(nogil=True, error_model="numpy", **options)(function)

    return decorate


_basis = compiled()(basis)


@compiled()
def project(cloud: Cloud, view: View, splats: Splats, start: int, stop: int) -> None:
    """Gaussians start..stop of the cloud → the same places of `splats`."""
    p = view.pose
    depth = splats.keys.view(np.float32)
    for i in range(start, stop):
        splats.keys[i] = HIDDEN
        mx, my, mz = np.float64(cloud.means[i, 0]), np.float64(cloud.means[i, 1]), np.float64(cloud.means[i, 2])
        z = p[2, 0] * mx + p[2, 1] * my + p[2, 2] * mz + p[2, 3]
        if not (z >= view.near and z <= FARTHEST):
            continue
        u = (p[0, 0] * mx + p[0, 1] * my + p[0, 2] * mz + p[0, 3]) / z
        v = (p[1, 0] * mx + p[1, 1] * my + p[1, 2] * mz + p[1, 3]) / z
        xx, xy, yy, sharp = _covariance(cloud, view, i, u, v, z)
        determinant = sharp + BLUR_PX2 * (xx + yy) + BLUR_PX2 * BLUR_PX2
        xx, yy = xx + BLUR_PX2, yy + BLUR_PX2
        opacity = np.float64(cloud.opacities[i])
        if view.antialiased:
            opacity *= np.sqrt(sharp / determinant)
        if not (opacity > MIN_ALPHA and opacity < np.inf and determinant < np.inf):
            continue
        reach2 = 2 * np.log(opacity / MIN_ALPHA)
        x, y = view.lens[0] * u + view.lens[2], view.lens[1] * v + view.lens[3]
        reach_x, reach_y = np.sqrt(reach2 * xx), np.sqrt(reach2 * yy)
        on_screen = x + reach_x > 0 and x - reach_x < view.width and y + reach_y > 0 and y - reach_y < view.height
        if not on_screen:  # or not finite
            continue
        red, green, blue = _color(cloud.sh, i, mx - view.position[0], my - view.position[1], mz - view.position[2])
        if not np.abs(red) + np.abs(green) + np.abs(blue) < np.inf:
            continue
        splats.rows[i, 0] = max(np.ceil(y - reach_y - 0.5), 0.0)
        splats.rows[i, 1] = min(np.floor(y + reach_y - 0.5), view.height - 1.0)
        splats.colors[i, 0], splats.colors[i, 1], splats.colors[i, 2] = max(red, 0.0), max(green, 0.0), max(blue, 0.0)
        shape = splats.shapes[i]
        shape[X], shape[Y], shape[SLOPE], shape[OPACITY], shape[Z] = x, y, xy / yy, opacity, z
        shape[PRECISION_Y], shape[ROOT_IN_ROW], shape[REACH2] = 1 / yy, np.sqrt(yy / determinant), reach2
        depth[i] = z


@compiled(inline="always")
def _covariance(cloud: Cloud, view: View, i: int, u: float, v: float, z: float) -> tuple[float, float, float, float]:
    """xx, xy, yy and the determinant before the blur, as the squared area between the two rows of J W R S."""
    p = view.pose
    u, v = min(max(u, view.lowest[0]), view.highest[0]), min(max(v, view.lowest[1]), view.highest[1])
    fx, fy = view.lens[0] / z, view.lens[1] / z
    gx0, gx1, gx2 = fx * (p[0, 0] - u * p[2, 0]), fx * (p[0, 1] - u * p[2, 1]), fx * (p[0, 2] - u * p[2, 2])
    gy0, gy1, gy2 = fy * (p[1, 0] - v * p[2, 0]), fy * (p[1, 1] - v * p[2, 1]), fy * (p[1, 2] - v * p[2, 2])
    qw, qx = np.float64(cloud.rotations[i, 0]), np.float64(cloud.rotations[i, 1])
    qy, qz = np.float64(cloud.rotations[i, 2]), np.float64(cloud.rotations[i, 3])
    two = 2 / (qw * qw + qx * qx + qy * qy + qz * qz)
    r00, r10, r20 = 1 - two * (qy * qy + qz * qz), two * (qx * qy + qw * qz), two * (qx * qz - qw * qy)
    r01, r11, r21 = two * (qx * qy - qw * qz), 1 - two * (qx * qx + qz * qz), two * (qy * qz + qw * qx)
    r02, r12, r22 = two * (qx * qz + qw * qy), two * (qy * qz - qw * qx), 1 - two * (qx * qx + qy * qy)
    s0, s1, s2 = np.float64(cloud.scales[i, 0]), np.float64(cloud.scales[i, 1]), np.float64(cloud.scales[i, 2])
    a0, b0 = s0 * (gx0 * r00 + gx1 * r10 + gx2 * r20), s0 * (gy0 * r00 + gy1 * r10 + gy2 * r20)
    a1, b1 = s1 * (gx0 * r01 + gx1 * r11 + gx2 * r21), s1 * (gy0 * r01 + gy1 * r11 + gy2 * r21)
    a2, b2 = s2 * (gx0 * r02 + gx1 * r12 + gx2 * r22), s2 * (gy0 * r02 + gy1 * r12 + gy2 * r22)
    c0, c1, c2 = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0
    xx, xy, yy = a0 * a0 + a1 * a1 + a2 * a2, a0 * b0 + a1 * b1 + a2 * b2, b0 * b0 + b1 * b1 + b2 * b2
    return xx, xy, yy, c0 * c0 + c1 * c1 + c2 * c2


@compiled()
def _color(sh: Array, i: int, dx: float, dy: float, dz: float) -> tuple[float, float, float]:
    """See harmonics.colors; before negative ones become 0, so that what is not finite can be told."""
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    weights = _basis(dx / length, dy / length, dz / length)
    red = green = blue = 0.5
    for k in range(sh.shape[1]):
        red += weights[k] * sh[i, k, 0]
        green += weights[k] * sh[i, k, 1]
        blue += weights[k] * sh[i, k, 2]
    return red, green, blue


@compiled()
def sort_by_depth(keys: Array, order: Array, spare: Array) -> Array:
    """Indices of all that is not HIDDEN, by ascending key, equal ones by index: radix sort from the lowest digit.

    `order` and `spare` are [N] i32 to work in; the result lies in one of them.
    """
    count = 0
    for i in range(len(keys)):
        if keys[i] != HIDDEN:
            order[count] = i
            count += 1
    places = np.empty(1 << RADIX_BITS, np.int64)
    mask = np.uint32((1 << RADIX_BITS) - 1)
    for digit in range(RADIX_PASSES):
        shift = np.uint32(digit * RADIX_BITS)
        places[:] = 0
        for n in range(count):
            places[(keys[order[n]] >> shift) & mask] += 1
        _starts_from_counts(places)
        for n in range(count):
            bucket = (keys[order[n]] >> shift) & mask
            spare[places[bucket]] = order[n]
            places[bucket] += 1
        order, spare = spare, order
    return order[:count]


@compiled()
def deal_out(order: Array, rows: Array, height: int) -> tuple[Array, Array]:
    """For each band of rows the splats that reach into it, front to back.

    Band b has members[starts[b]:starts[b + 1]].
    """
    starts = np.zeros(-(-height // ROWS_PER_BAND) + 1, np.int64)
    for i in order:
        for band in range(rows[i, 0] // ROWS_PER_BAND, rows[i, 1] // ROWS_PER_BAND + 1):
            starts[band] += 1
    _starts_from_counts(starts)
    places = starts.copy()
    members = np.empty(starts[-1], np.int32)
    for i in order:
        for band in range(rows[i, 0] // ROWS_PER_BAND, rows[i, 1] // ROWS_PER_BAND + 1):
            members[places[band]] = i
            places[band] += 1
    return starts, members


@compiled()
def _starts_from_counts(counts: Array) -> None:
    """Each count becomes the sum of those before it."""
    total = 0
    for bucket in range(len(counts)):
        count = counts[bucket]
        counts[bucket] = total
        total += count


@compiled(fastmath={"contract"})
def blend(members: Array, splats: Splats, cells: Array, width: int, first_row: int, stop_row: int) -> None:
    """Draws splats, front to back, into rows first_row to before stop_row of `cells` [H, W / LANES, CELL] f32."""
    cells[first_row:stop_row] = 0
    closed = np.zeros((stop_row - first_row, cells.shape[1]), np.bool_)
    for n in range(len(members)):
        if n % LOOK_EVERY == LOOK_EVERY - 1:
            _find_closed(cells[first_row:stop_row], closed)
        i = members[n]
        shape, color = splats.shapes[i], splats.colors[i]
        for row in range(max(splats.rows[i, 0], first_row), min(splats.rows[i, 1] + 1, stop_row)):
            dy = row + 0.5 - shape[Y]
            across2 = dy * dy * shape[PRECISION_Y]
            if across2 > shape[REACH2]:
                continue
            reach = np.sqrt(shape[REACH2] - across2) / shape[ROOT_IN_ROW]
            middle = shape[X] + shape[SLOPE] * dy - 0.5  # as the number of a pixel
            first = int(min(max(np.ceil(middle - reach), 0.0), width))  # bounded first: a float can be any number
            last = int(max(min(np.floor(middle + reach), width - 1.0), -1.0))
            for cell in range(first // LANES, last // LANES + 1):
                if closed[row - first_row, cell]:
                    continue
                left = cell * LANES
                start = (left - middle) * shape[ROOT_IN_ROW]
                _blend_cell(cells[row, cell], first - left, last - left, start, across2, shape, color)


@compiled()
def _find_closed(cells: Array, closed: Array) -> None:
    """Marks the cells of a band whose pixels are all covered, so that the splats behind pass them by."""
    for row in range(cells.shape[0]):
        for cell in range(cells.shape[1]):
            open_lanes = 0
            for lane in range(LANES):
                open_lanes += cells[row, cell, ALPHA + lane] <= CLOSED
            closed[row, cell] = open_lanes == 0


@compiled(fastmath={"contract"}, inline="always")
def _blend_cell(cell: Array, first: int, last: int, start: float, across2: float, shape: Array, color: Array) -> None:
    """One splat over the pixels first..last of a cell, the first of which is `start` sigmas right of the middle.

    All of it in float32: sigmas are small numbers however large the splat, and where `covered` is kept rather than
    what shines through, thin layers keep their digits, and their depth.
    """
    # All values that the loop needs are read before it writes: it may not know that these are other places.
    first_along, across, step = np.float32(start), np.float32(across2), np.float32(shape[ROOT_IN_ROW])
    opacity, z = np.float32(shape[OPACITY]), np.float32(shape[Z])
    red, green, blue = color[0], color[1], color[2]
    for lane in range(LANES):
        along = first_along + step * np.float32(lane)
        p = (across + along * along) * TO_P
        e = E0 + p * (E1 + p * (E2 + p * (E3 + p * (E4 + p * E5))))
        for _ in range(SQUARINGS):
            e *= e
        covered = cell[ALPHA + lane]
        drawn = (lane >= first) & (lane <= last) & (covered <= CLOSED)
        weight = min(opacity * e, MOST) * (ONE - covered) if drawn else ZERO
        cell[R + lane] += weight * red
        cell[G + lane] += weight * green
        cell[B + lane] += weight * blue
        cell[DEPTH + lane] += weight * z
        cell[ALPHA + lane] = covered + weight


@compiled()
def finish(cells: Array, background: Array, image: Planes, first_row: int, stop_row: int) -> None:
    """Rows of cells → the same rows of a picture over the background."""
    for row in range(first_row, stop_row):
        for x in range(image.alpha.shape[1]):
            cell, lane = cells[row, x // LANES], x % LANES
            covered = cell[ALPHA + lane]
            image.alpha[row, x] = covered
            image.depth[row, x] = cell[DEPTH + lane] / covered if covered > ZERO else ZERO
            for channel in range(3):
                color = cell[channel * LANES + lane] + (ONE - covered) * background[channel]
                image.rgb[row, x, channel] = min(max(color, ZERO), ONE)
