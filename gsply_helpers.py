"""Gaussians ⇄ the bytes of a 3D Gaussian splatting PLY file. No paths, no sockets, no model here.

Sole owner of the file's property names and of its units: the logit of the opacity, the logarithm of the scales, and
colour as the first spherical harmonic (SH_C0). The layout is the one of the 3DGS reference code (Kerbl et al. 2023,
https://repo-sam.inria.fr/fungraph/3d-gaussian-splatting/): float32, little-endian, quaternions wxyz, OpenCV axes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from splatcam.gaussians import SH_COEFFICIENTS, Gaussians
from splatcam.prune import PruneOptions, prune

SH_C0 = 0.28209479177387814  # 1 / (2 √π), the zeroth spherical harmonic
OPACITY_MARGIN = 1e-6  # opacities are kept this far from 0 and 1, whose logits are infinite
LN_SCALE_LIMITS = (-87.0, 88.0)  # beyond, exp() leaves float32
MAX_HEADER_BYTES = 10_000  # readers in browsers look no further for its end
MAX_FOREIGN_HEADER_BYTES = 64 * 1024

PlyFields = Literal["minimal", "inria"]  # minimal: 14 floats; inria: 17, with normals of zero
SphericalHarmonics = Literal["dc", "full"]  # dc: the colour only; full: all bands that are there

_MEANS = ("x", "y", "z")
_NORMALS = ("nx", "ny", "nz")
_DC = ("f_dc_0", "f_dc_1", "f_dc_2")
_SCALES = ("scale_0", "scale_1", "scale_2")
_ROTATIONS = ("rot_0", "rot_1", "rot_2", "rot_3")

Array = TypeVar("Array", Tensor, np.ndarray, float)


class InvalidPly(ValueError):
    """The bytes are not a 3DGS PLY file that can be read; the message says what is wrong with them."""


def rgb_from_dc(dc: Array) -> Array:
    """First spherical harmonic → display-referred sRGB, about 0..1, any shape."""
    return dc * SH_C0 + 0.5


def dc_from_rgb(rgb: Array) -> Array:
    """Display-referred sRGB in 0..1 → first spherical harmonic, any shape."""
    return (rgb - 0.5) / SH_C0


def logit(opacities: Tensor) -> Tensor:
    """ln(p / (1 - p)), finite for every p in 0..1."""
    p = opacities.clamp(OPACITY_MARGIN, 1 - OPACITY_MARGIN)
    return torch.log(p / (1 - p))


# ---------------------------------------------------------------- writing


def save_gaussian_ply_bytes(
    gaussians: Any,
    ctx_depth: Tensor | np.ndarray[Any, Any] | None,
    save_sh_dc_only: bool = True,
    prune_by_opacity: float = 0.1,
    prune_border_gs: bool = True,
    prune_by_depth_percent: float = 1.0,
    *,
    ply_fields: PlyFields = "minimal",
    metadata: Mapping[str, object] | None = None,
) -> bytes:
    """Prune and write, in memory. The arguments are those of DA3's `save_gaussian_ply`, where it has them.

    `gaussians`: ours, or DA3's own (`depth_anything_3.specs.Gaussians`, batch of one). `ctx_depth`: the depth that
    they come from, [H, W] or DA3's [V, H, W, 1]; None prunes nothing by depth, and at the border only with a grid.
    Values that are not finite never get into the file; nothing left gives a valid file of 0 vertices.
    With "inria", `prune_by_opacity=0` and finite unsaturated input the bytes are those that DA3 writes.
    Raises ValueError where depth and Gaussians do not belong together or `metadata` cannot stand in a header.
    """
    sh: SphericalHarmonics = "dc" if save_sh_dc_only else "full"
    depth = None if ctx_depth is None else _views_of_depth(ctx_depth)
    ours = gaussians if isinstance(gaussians, Gaussians) else _from_da3(gaussians, sh)
    options = PruneOptions(
        min_opacity=prune_by_opacity,
        max_depth_percentile=prune_by_depth_percent,
        border_fraction=PruneOptions.border_fraction if prune_border_gs else 0.0,
    )
    kept, _ = prune(ours, None if depth is None else depth.to(ours.device), options)
    return encode_gaussian_ply(kept, sh=sh, ply_fields=ply_fields, metadata=metadata)


def encode_gaussian_ply(
    gaussians: Gaussians,
    *,
    sh: SphericalHarmonics = "dc",
    ply_fields: PlyFields = "minimal",
    metadata: Mapping[str, object] | None = None,
) -> bytes:
    """Write all of them, finite as `prune` leaves them. Put together where the tensors lie, copied to the host once.

    Opacities of 0 and 1 get finite logits, quaternions of length zero become the identity.
    `metadata` goes into `comment` lines: extra elements or properties would break readers in browsers.
    """
    coefficients = gaussians.sh.shape[1] if sh == "full" else 1
    columns = [gaussians.means]
    if ply_fields == "inria":
        columns.append(torch.zeros_like(gaussians.means))
    columns.append(gaussians.sh[:, 0])
    if coefficients > 1:
        columns.append(gaussians.sh[:, 1:].transpose(1, 2).flatten(1))  # channel-major: all of red first
    columns += [logit(gaussians.opacities)[:, None], gaussians.scales.log(), _without_zeros(gaussians.rotations)]
    matrix = torch.cat(columns, dim=1).cpu().numpy().astype("<f4", copy=False)
    header = _header(gaussians.count, property_names(ply_fields, coefficients), metadata or {})
    return b"".join((header, matrix.data))


def property_names(ply_fields: PlyFields = "minimal", coefficients: int = 1) -> tuple[str, ...]:
    """The float properties of a vertex in the order of the file, for `coefficients` harmonics of each colour."""
    normals = _NORMALS if ply_fields == "inria" else ()
    return (*_MEANS, *normals, *_DC, *_rest_names(coefficients), "opacity", *_SCALES, *_ROTATIONS)


def _rest_names(coefficients: int) -> tuple[str, ...]:
    return tuple(f"f_rest_{i}" for i in range(3 * (coefficients - 1)))


def _header(count: int, names: Sequence[str], metadata: Mapping[str, object]) -> bytes:
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        *(_comment(key, value) for key, value in metadata.items()),
        f"element vertex {count}",
        *(f"property float {name}" for name in names),
        "end_header",
    ]
    header = ("\n".join(lines) + "\n").encode("ascii")
    if len(header) > MAX_HEADER_BYTES:
        raise ValueError(f"metadata: the header would have {len(header)} bytes, readers take {MAX_HEADER_BYTES}")
    return header


def _comment(key: str, value: object) -> str:
    """One header line. Readers search the header for its keywords, so a comment must not hold one."""
    line = f"comment {key} {value}"
    if not (line.isascii() and line.isprintable()):
        raise ValueError(f"metadata {key!r}: only printable ASCII on one line can stand in a PLY header")
    if "end_header" in line or "element vertex" in line:
        raise ValueError(f"metadata {key!r}: holds a keyword of the PLY header")
    return line


def _without_zeros(rotations: Tensor) -> Tensor:
    """Quaternions of length zero turn nothing: the identity in their place."""
    if not bool((rotations[:, 0] == 0).any()):  # the usual case, at a quarter of the price
        return rotations
    zero = (rotations == 0).all(dim=1, keepdim=True)
    return torch.where(zero, rotations.new_tensor([1.0, 0.0, 0.0, 0.0]), rotations)


def _views_of_depth(depth: Tensor | np.ndarray[Any, Any]) -> Tensor:
    """[H, W], [V, H, W] or DA3's [V, H, W, 1] → [V, H, W]."""
    views = torch.as_tensor(depth).detach()
    if views.ndim == 4 and views.shape[3] == 1:
        views = views[..., 0]
    views = views[None] if views.ndim == 2 else views
    if views.ndim != 3:
        raise ValueError(f"ctx_depth has the shape {tuple(depth.shape)}, not [H, W] or [V, H, W, 1]")
    return views.to(torch.float32)


def _from_da3(theirs: Any, sh: SphericalHarmonics) -> Gaussians:
    """depth_anything_3.specs.Gaussians: a batch dimension, harmonics [1, N, 3, K] with the coefficients last."""
    if theirs.means.shape[0] != 1:
        raise ValueError(f"a batch of {theirs.means.shape[0]}: only one scene goes into a file")
    harmonics = theirs.harmonics[0] if sh == "full" else theirs.harmonics[0, ..., :1]
    tensors = (theirs.means[0], theirs.scales[0], theirs.rotations[0], theirs.opacities[0], harmonics.transpose(1, 2))
    return Gaussians(*(tensor.detach().to(torch.float32) for tensor in tensors))


# ---------------------------------------------------------------- reading

_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
_TYPES = {
    **{name: "i1" for name in ("char", "int8")},
    **{name: "u1" for name in ("uchar", "uint8")},
    **{name: "i2" for name in ("short", "int16")},
    **{name: "u2" for name in ("ushort", "uint16")},
    **{name: "i4" for name in ("int", "int32")},
    **{name: "u4" for name in ("uint", "uint32")},
    **{name: "f4" for name in ("float", "float32")},
    **{name: "f8" for name in ("double", "float64")},
}  # fmt: skip
_END_OF_HEADER = re.compile(rb"\nend_header\r?\n")
_COUNT = re.compile(r"[0-9]{1,12}")


def gaussians_from_ply_bytes(data: bytes) -> Gaussians:
    """Read a 3DGS PLY file by anyone: any order of properties, further properties and elements, either byte order.

    Left out are rows with a value that is not finite; opacities and scales may be infinite in the file, where a
    logarithm has made them so. Rotations come out of unit length. Raises InvalidPly, nothing else.
    """
    rows = vertex_rows(data)
    rest = sum(name.startswith("f_rest_") for name in rows.dtype.names or ())
    if rest % 3 or rest // 3 + 1 not in SH_COEFFICIENTS:
        raise InvalidPly(f"{rest} properties f_rest_*: 0, 9, 24 or 45 are expected")
    dc = _columns(rows, _DC)[:, None, :]
    bands = _columns(rows, _rest_names(rest // 3 + 1)).view(len(rows), 3, rest // 3).transpose(1, 2)
    everything = Gaussians(
        means=_columns(rows, _MEANS),
        scales=_columns(rows, _SCALES).clamp(*LN_SCALE_LIMITS).exp(),
        rotations=_unit(_columns(rows, _ROTATIONS)),
        opacities=_columns(rows, ("opacity",))[:, 0].sigmoid(),
        sh=torch.cat((dc, bands), dim=1),
    )
    return prune(everything, None, PruneOptions(min_opacity=0.0, border_fraction=0.0))[0]


@dataclass(frozen=True)
class _Element:
    """`element` lines and the `property` lines below them."""

    name: str
    count: int
    fields: list[tuple[str, str]]  # name and numpy type


def element_rows(data: bytes) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """The elements of a binary PLY file in their order: name and rows, a structured array that is a view of `data`.

    Nothing is read beyond the element that is asked for last. Raises InvalidPly, nothing else.
    """
    end = _END_OF_HEADER.search(data, 0, MAX_FOREIGN_HEADER_BYTES)
    if not data.startswith((b"ply\n", b"ply\r\n")) or end is None:
        raise InvalidPly("not a PLY file: it does not begin with `ply` and a header")
    at = end.end()
    for element in _elements(data[: end.start()].decode("latin-1").splitlines()[1:]):
        row = _row_type(element)
        size = element.count * row.itemsize
        if at + size > len(data):
            wanted = f"{element.count} rows of {element.name} need {size} bytes"
            raise InvalidPly(f"is truncated: {wanted}, {len(data) - at} are left")
        yield element.name, np.frombuffer(data, row, element.count, at) if size else np.empty(0, row)
        at += size


def vertex_rows(data: bytes) -> np.ndarray[Any, Any]:
    """The vertices as a structured array, a view of `data`. Raises InvalidPly."""
    for name, rows in element_rows(data):
        if name == "vertex":
            return rows
    raise InvalidPly("the file has no vertices")


def _elements(lines: Sequence[str]) -> list[_Element]:
    """The header's lines between `ply` and `end_header` → the elements that the file holds, in order."""
    byte_order = None
    elements: list[_Element] = []
    for line in lines:
        match line.split():
            case [] | ["comment" | "obj_info", *_]:
                continue
            case ["format", name, "1.0"] if name in _BYTE_ORDERS:
                byte_order = _BYTE_ORDERS[name]
            case ["element", name, count] if _COUNT.fullmatch(count):
                elements.append(_Element(name, int(count), []))
            case ["property", kind, name] if kind in _TYPES and elements and byte_order:
                elements[-1].fields.append((name, byte_order + _TYPES[kind]))
            case _:
                raise InvalidPly(f"cannot be read: the header line {line[:80]!r}")
    return elements


def _row_type(element: _Element) -> np.dtype[Any]:
    try:
        return np.dtype(element.fields)
    except ValueError as error:  # two properties of the same name
        raise InvalidPly(f"element {element.name}: {error}") from None


def _columns(rows: np.ndarray[Any, Any], names: Sequence[str]) -> Tensor:
    """[N, len(names)] f32."""
    missing = [name for name in names if name not in (rows.dtype.names or ())]
    if missing:
        raise InvalidPly(f"the vertices lack {', '.join(missing)}: not a file of Gaussians")
    columns = np.empty((len(rows), len(names)), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # a double beyond float32 becomes infinite
        for i, name in enumerate(names):
            columns[:, i] = rows[name]
    return torch.from_numpy(columns)


def _unit(rotations: Tensor) -> Tensor:
    """Of unit length, without squares that leave float32."""
    rotations = _without_zeros(rotations)
    scaled = rotations / rotations.abs().amax(dim=1, keepdim=True)
    return scaled / scaled.norm(dim=1, keepdim=True)
