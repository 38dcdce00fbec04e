"""What a viewer asked for → the Variants that will do, richest first. Pure, no torch.

Viewers that want the same variant share one message, so the type is hashable and holds nothing of a session.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

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
    "network": SPLAT_FORMATS,
    "pixel": SPLAT_FORMATS,
    "points": (Format.POINTCLOUD,),
}
PLAIN_FORMATS = (Format.GAUSSIAN_PLY, Format.POINTCLOUD)
MAX_VARIANTS = 4  # encoded per frame
FINE_BITS: DepthBits = 12
COARSE_BITS: DepthBits = 10
LEAST_STRIDES = (2, 3, 4)  # where the link does not carry every pixel
AUTO = "auto"


@dataclass(frozen=True)
class ViewerSettings:
    """One viewer's wishes. None: as suits the model and the link."""

    format: Format | None = None
    output: Output | None = None
    sh: SphericalHarmonics = "dc"
    ply: PlyFields = "minimal"
    min_opacity: float = 0.1
    max_depth_percentile: float = 1.0
    stride: int | None = None
    depth_bits: DepthBits | None = None
    max_fps: float | None = None

    def changed_by(self, message: SettingsMessage) -> ViewerSettings:
        given = message.model_dump(exclude={"type"}, exclude_none=True)
        wishes: dict[str, Any] = {name: None if value == AUTO else value for name, value in given.items()}
        return replace(self, **wishes)

    @property
    def pinned(self) -> list[str]:
        """What the server must not choose."""
        names = ("format", "output", "stride", "depth_bits", "max_fps")
        return [name for name in names if getattr(self, name) is not None]


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
    depth_bits: DepthBits = FINE_BITS
    color: Color = "sent"

    @property
    def encoding(self) -> Variant:
        """What is encoded for it: who has the picture changes nothing else."""
        return replace(self, color="sent")


def require_known_format(formats: Sequence[str]) -> None:
    """Raises WireError for a client that reads nothing of what this server can send."""
    if not set(formats) & set(Format):
        raise WireError(ErrorCode.UNSUPPORTED_FORMAT, f"none of these formats is known here: {', '.join(formats)}")


@dataclass(frozen=True)
class Client:
    """What is known of a client but its wishes."""

    formats: Sequence[str]  # of its hello, preferred first
    contract: Contract = "full"
    color: Color = "sent"  # whether it has the pictures already


def choose_variant(client: Client, settings: ViewerSettings, supports_gaussians: bool) -> Variant:
    """The variant a viewer gets where the link does not matter. Raises WireError where its wishes cannot be met.

    The output it asked for; else the network's Gaussians where the model has them; else splats from depth for
    a client that said hello and reads a splat format; else points.
    """
    output = settings.output
    if output is None:
        if supports_gaussians and _carrier(client, settings, "network"):
            output = "network"
        else:
            output = "pixel" if client.contract == "full" and _carrier(client, settings, "pixel") else "points"
    if output == "network" and not supports_gaussians:
        raise WireError(ErrorCode.NO_GAUSSIAN_HEAD, "this model predicts no Gaussians: ask for output pixel or points")
    chosen = _carrier(client, settings, output)
    if chosen is None:
        formats = settings.format or f"any of: {', '.join(client.formats) or 'nothing'}"
        raise WireError(ErrorCode.UNSUPPORTED_FORMAT, f"output {output} cannot travel as {formats}")
    return _variant(chosen, output, settings.stride or 1, settings.depth_bits or FINE_BITS, settings, client)


def ladder(client: Client, settings: ViewerSettings, supports_gaussians: bool) -> tuple[Variant, ...]:
    """What to send a viewer as its link carries less and less. Raises as `choose_variant`, whose choice is the first.

    What the viewer decided stays. A plain client gets the first and nothing else: it does not acknowledge.
    """
    first = choose_variant(client, settings, supports_gaussians)
    if client.contract == "plain":
        return (first,)
    rungs = [first]
    for chosen, output in _ways_down(first, client, settings):
        for stride, bits in _resolutions(chosen, output, settings):
            rungs.append(_variant(chosen, output, stride, bits, settings, client))
    return tuple(dict.fromkeys(rungs))


def _ways_down(first: Variant, client: Client, settings: ViewerSettings) -> Iterator[tuple[Format, Output]]:
    """Formats and outputs from the first on. `compact` is smaller than all else, and the splats that the client makes
    of depth and colour (level A) are smaller than the network's own (level C)."""
    may_be_compact = first.output != "points" and settings.format is None and Format.COMPACT in client.formats
    chosen = Format.COMPACT if may_be_compact else first.format
    yield chosen, first.output
    if chosen is Format.COMPACT and first.output == "network" and settings.output is None:
        yield chosen, "pixel"


def _resolutions(chosen: Format, output: Output, settings: ViewerSettings) -> Iterator[tuple[int, DepthBits]]:
    """(stride, depth bits), finest first."""
    fine = settings.depth_bits or FINE_BITS
    has_lower_level = chosen is Format.COMPACT and output == "network" and settings.output is None
    yield settings.stride or 1, fine
    if chosen is Format.COMPACT and output == "pixel":
        yield settings.stride or 1, settings.depth_bits or COARSE_BITS
    if settings.stride is None:  # two steps of the network's own splats look better than the ones from depth
        for stride in LEAST_STRIDES[:1] if has_lower_level else LEAST_STRIDES:
            yield stride, fine


def _variant(
    chosen: Format, output: Output, stride: int, bits: DepthBits, settings: ViewerSettings, client: Client
) -> Variant:
    """Only what changes the bytes: viewers that differ in nothing else share a message."""
    wants = Variant(chosen, output, max_depth_percentile=settings.max_depth_percentile, stride=stride)
    if output != "points":
        wants = replace(wants, min_opacity=settings.min_opacity)
    if chosen is Format.GAUSSIAN_PLY:
        wants = replace(wants, sh=settings.sh, ply=settings.ply)
    if chosen is Format.COMPACT:  # the network's colours are its own
        wants = replace(wants, depth_bits=bits, color="sent" if output == "network" else client.color)
    return wants


def _carrier(client: Client, settings: ViewerSettings, output: Output) -> Format | None:
    """The first of a client's formats that can carry an output, or the one that it chose of them."""
    formats = (f for f in client.formats if settings.format in (None, f))
    return next((Format(f) for f in formats if f in CARRIERS[output]), None)
