"""What a viewer asked for → one Variant, the thing that is encoded. Pure, no torch.

Viewers that want the same variant share one message, so the type is hashable and holds nothing of a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from splatcam.wire import (
    SPLAT_FORMATS,
    DepthBits,
    ErrorCode,
    Format,
    Output,
    PlyFields,
    SettingsMessage,
    SphericalHarmonics,
    WireError,
)

Contract = Literal["plain", "full"]  # plain: the client never said hello; full: it did, and acknowledges
Color = Literal["sent", "own"]  # sent: with the result; own: the client has the picture, for it sent it
# What can carry an output. A client's own order decides between them.
CARRIERS: dict[Output, tuple[Format, ...]] = {
    "network": (Format.SPLATS16, Format.GAUSSIAN_PLY),
    "pixel": SPLAT_FORMATS,
    "points": (Format.POINTCLOUD,),
}
PLAIN_FORMATS = (Format.GAUSSIAN_PLY, Format.POINTCLOUD)
MAX_VARIANTS = 4  # encoded per frame


@dataclass(frozen=True)
class ViewerSettings:
    """One viewer's wishes. None: what suits the model."""

    output: Output | None = None
    sh: SphericalHarmonics = "dc"
    ply: PlyFields = "minimal"
    min_opacity: float = 0.1
    max_depth_percentile: float = 1.0
    stride: int = 1
    depth_bits: DepthBits = 12
    max_fps: float | None = None

    def changed_by(self, message: SettingsMessage) -> ViewerSettings:
        given = message.model_dump(exclude={"type"}, exclude_none=True)
        return replace(self, **given)


@dataclass(frozen=True)
class Variant:
    """One way to send a frame: encoded once, sent to everybody who wants it."""

    format: Format
    output: Output
    sh: SphericalHarmonics = "dc"
    ply: PlyFields = "minimal"
    min_opacity: float = 0.1
    max_depth_percentile: float = 1.0
    stride: int = 1
    depth_bits: DepthBits = 12
    color: Color = "sent"


def require_known_format(formats: Sequence[str]) -> None:
    """Raises WireError for a client that reads nothing of what this server can send."""
    if not set(formats) & set(Format):
        raise WireError(ErrorCode.UNSUPPORTED_FORMAT, f"none of these formats is known here: {', '.join(formats)}")


def choose_variant(
    formats: Sequence[str],
    settings: ViewerSettings,
    contract: Contract,
    supports_gaussians: bool,
    color: Color = "sent",
) -> Variant:
    """The variant a viewer gets. Raises WireError where its wishes cannot be met.

    The output it asked for; else the network's Gaussians where the model has them; else splats from depth for
    a client that said hello and reads a splat format; else points. `color`: whether it has the pictures already.
    """
    output = settings.output
    if output is None:
        if supports_gaussians and _carrier(formats, "network"):
            output = "network"
        else:
            output = "pixel" if contract == "full" and _carrier(formats, "pixel") else "points"
    if output == "network" and not supports_gaussians:
        raise WireError(ErrorCode.NO_GAUSSIAN_HEAD, "this model predicts no Gaussians: ask for output pixel or points")
    chosen = _carrier(formats, output)
    if chosen is None:
        raise WireError(
            ErrorCode.UNSUPPORTED_FORMAT, f"output {output} cannot travel as any of: {', '.join(formats) or 'nothing'}"
        )
    wants = Variant(chosen, output, max_depth_percentile=settings.max_depth_percentile, stride=settings.stride)
    # Only what changes the bytes: viewers that differ in nothing else share a message.
    if output != "points":
        wants = replace(wants, min_opacity=settings.min_opacity)
    if chosen is Format.GAUSSIAN_PLY:
        wants = replace(wants, sh=settings.sh, ply=settings.ply)
    if chosen is Format.COMPACT:
        wants = replace(wants, depth_bits=settings.depth_bits, color=color)
    return wants


def _carrier(formats: Sequence[str], output: Output) -> Format | None:
    """The first of a client's formats that can carry an output."""
    return next((Format(f) for f in formats if f in CARRIERS[output]), None)
