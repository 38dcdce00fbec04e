"""The models that have a name: where their weights are, under which licence, and what they give.

A table and nothing else: no torch, no network, no files. What a name becomes is `registry.py`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass

from splatcam.wire import ModelInfo

CC_BY_NC = "CC BY-NC 4.0"
APACHE = "Apache-2.0"
OWN_LICENCE = "its own: see the model's card"
DEFAULT_REVISION = "main"


@dataclass(frozen=True)
class Model:
    """One value of --model. `hub_id` and `da3_name` are None for the estimators that live in this package."""

    name: str
    title: str  # for people
    licence: str  # of the weights
    hub_id: str | None = None
    revision: str = DEFAULT_REVISION  # of the weights on the hub
    da3_name: str | None = None  # the network's name in Depth Anything 3, as config.json has it
    supports_gaussians: bool = False  # has a Gaussian head
    demonstration: bool = False
    metric: bool = False  # its depth is meant in metres; else in a unit of its own

    @property
    def non_commercial(self) -> bool:
        return self.licence.startswith(CC_BY_NC)

    def info(self, device: str) -> ModelInfo:
        """What clients are told."""
        return ModelInfo(
            name=self.name,
            title=self.title,
            supports_gaussians=self.supports_gaussians,
            licence=self.licence,
            non_commercial=self.non_commercial,
            demonstration=self.demonstration,
            device=device,
        )


# Revisions are commits on the hub, so that what was tested is what runs. --revision names another one.
_ALL = (
    Model(
        name="giant",
        title="Depth Anything 3 Giant",
        licence=CC_BY_NC,
        hub_id="depth-anything/DA3-GIANT-1.1",
        revision="72ee9f89ce4e50d704e9d55ee9c646ec8dc25a19",
        da3_name="da3-giant",
        supports_gaussians=True,
    ),
    Model(
        name="nested",
        title="Depth Anything 3 Nested Giant Large",
        licence=CC_BY_NC,
        hub_id="depth-anything/DA3NESTED-GIANT-LARGE-1.1",
        revision="b2359bdf726fb44ef62acca04d629dcf158053e7",
        da3_name="da3nested-giant-large",
        supports_gaussians=True,
        metric=True,
    ),
    Model(
        name="large",
        title="Depth Anything 3 Large",
        licence=CC_BY_NC,
        hub_id="depth-anything/DA3-LARGE-1.1",
        revision="0e109ae307c5982f319a67cf6f9f99ccdc0ec97c",
        da3_name="da3-large",
    ),
    Model(
        name="base",
        title="Depth Anything 3 Base",
        licence=APACHE,
        hub_id="depth-anything/DA3-BASE",
        revision="f4a6c9b3c95e41c82048423d3493a81ec3fa810e",
        da3_name="da3-base",
    ),
    Model(
        name="small",
        title="Depth Anything 3 Small",
        licence=APACHE,
        hub_id="depth-anything/DA3-SMALL",
        revision="e08cab65ca0ec38e7826075418411ab90cab4da3",
        da3_name="da3-small",
    ),
    Model(
        name="metric",
        title="Depth Anything 3 Metric Large",
        licence=APACHE,
        hub_id="depth-anything/DA3METRIC-LARGE",
        revision="4010e39f3634a45bc60553321fb49fb760bd594e",
        da3_name="da3metric-large",
        metric=True,
    ),
    Model(
        name="mono",
        title="Depth Anything 3 Mono Large",
        licence=APACHE,
        hub_id="depth-anything/DA3MONO-LARGE",
        revision="f465978e618db8cc79c83b8bbf24964857db1875",
        da3_name="da3mono-large",
    ),
    Model(name="builtin", title="Built-in demonstration depth", licence=APACHE, demonstration=True),
    Model(name="synthetic", title="Synthetic scene with exact depth", licence=APACHE, metric=True),
)

MODELS: dict[str, Model] = {model.name: model for model in _ALL}
BY_HUB_ID: dict[str, Model] = {model.hub_id.casefold(): model for model in _ALL if model.hub_id}
BY_DA3_NAME: dict[str, Model] = {model.da3_name: model for model in _ALL if model.da3_name}
