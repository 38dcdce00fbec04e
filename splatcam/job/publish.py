"""The artefacts of a manifest → a store. What lies there with the same content is not put again."""

from __future__ import annotations

from pathlib import Path

from splatcam.job import manifest as manifests
from splatcam.job.manifest import Manifest
from splatcam.job.runner import Report
from splatcam.job.stores import ArtifactStore


def publish(manifest: Manifest, folder: Path, store: ArtifactStore, report: Report) -> None:
    """The manifest goes last: whoever finds it finds everything in it. Raises PublishingFailed and OSError."""
    there = manifest.published.setdefault(store.address, {})
    for artifact in manifest.artifacts.values():
        if there.get(artifact.name) == artifact.sha256:
            continue
        store.put(artifact.name, folder / artifact.name)
        there[artifact.name] = artifact.sha256
        manifests.save(manifest, folder)
        report({"event": "published", "artifact": artifact.name, "data_type": artifact.data_type, "at": store.address})
    store.put(manifests.NAME, folder / manifests.NAME)
    report({"event": "published", "artifact": manifests.NAME, "data_type": "manifest", "at": store.address})
