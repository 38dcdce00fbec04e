"""Weights on the model hub → a folder on this machine: the cache first, then a short question, only then a download.

Knows nothing of networks and tensors. huggingface_hub is imported where it is used.

The order matters: where there is no network, huggingface_hub's own download retries for 23 s, and for six minutes
where a host accepts and never answers. So nothing is downloaded before the hub has answered a small question in time.
"""

from __future__ import annotations

import hashlib
import queue
import re
import threading
from pathlib import Path
from typing import Any

from splatcam.estimators import EstimatorUnavailable, ReportProgress

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
ASK_TIMEOUT_S = 2.0
SHA256 = re.compile("[0-9a-f]{64}")


def find_local(hub_id: str, revision: str) -> Path | None:
    """The folder with config.json and model.safetensors in huggingface_hub's cache, None where one is missing."""
    from huggingface_hub import try_to_load_from_cache

    config, weights = (try_to_load_from_cache(hub_id, name, revision=revision) for name in (CONFIG_FILE, WEIGHTS_FILE))
    return Path(config).parent if isinstance(config, str) and isinstance(weights, str) else None


def fetch(hub_id: str, revision: str, *, offline: bool, report: ReportProgress) -> Path:
    """The folder with config.json and model.safetensors, downloaded where needed. Raises EstimatorUnavailable."""
    local = find_local(hub_id, revision)
    if local is not None:
        return local
    if offline:
        raise EstimatorUnavailable(
            f"the weights of {hub_id} are not on this machine, and --offline forbids to ask the model hub for them"
        )
    report(f"asking the model hub for {hub_id}", None)
    ask(hub_id, revision)
    return _download(hub_id, revision, report)


def is_reachable(hub_id: str, revision: str, timeout_s: float = ASK_TIMEOUT_S) -> bool:
    """Whether the hub says in time that it has this model."""
    try:
        ask(hub_id, revision, timeout_s)
    except EstimatorUnavailable:
        return False
    return True


def ask(hub_id: str, revision: str, timeout_s: float = ASK_TIMEOUT_S) -> None:
    """Returns when the hub says that it has this model. Raises EstimatorUnavailable when it does not, or not in time.

    The question runs in a thread of its own: its timeout counts per address tried and not at all for the name look-up.
    """
    answer: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    threading.Thread(target=_put_answer, args=(answer, hub_id, revision, timeout_s), daemon=True).start()
    try:
        problem = answer.get(timeout=timeout_s)
    except queue.Empty:
        problem = TimeoutError(f"no answer within {timeout_s:g} s")
    if problem is not None:
        raise EstimatorUnavailable(_explain(problem, hub_id, revision)) from problem


def _put_answer(answer: queue.SimpleQueue[Exception | None], hub_id: str, revision: str, timeout_s: float) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    try:
        get_hf_file_metadata(hf_hub_url(hub_id, CONFIG_FILE, revision=revision), timeout=timeout_s)
    except Exception as error:  # the HTTP client below, and so its errors, changes with huggingface_hub's version
        answer.put(error)
    else:
        answer.put(None)


def _download(hub_id: str, revision: str, report: ReportProgress) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        config = hf_hub_download(hub_id, CONFIG_FILE, revision=revision)
        weights = hf_hub_download(hub_id, WEIGHTS_FILE, revision=revision, tqdm_class=_progress_class(hub_id, report))
    except Exception as error:  # network, disk, a file that is not there: see _put_answer
        raise EstimatorUnavailable(_explain(error, hub_id, revision)) from error
    _require_whole(Path(weights), hub_id)
    return Path(config).parent


def _require_whole(weights: Path, hub_id: str) -> None:
    """Raises EstimatorUnavailable for a download that is not what the hub said it sends, and forgets it.

    huggingface_hub looks at the size alone. Its cache names a large file by the SHA-256 that the hub tells, and
    links to it; where the file system knows no links the name is another, and nothing is compared.
    """
    blob = weights.resolve()
    if not SHA256.fullmatch(blob.name):
        return
    with blob.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != blob.name:
        weights.unlink()
        blob.unlink()
        raise EstimatorUnavailable(
            f"{WEIGHTS_FILE} of {hub_id} came damaged: its SHA-256 is not what the model hub says. Start again to"
            " download it once more"
        )


def _explain(problem: Exception, hub_id: str, revision: str) -> str:
    """One sentence for a person. The order goes from the particular to the general, as the classes inherit."""
    from huggingface_hub import errors

    not_here = f"the weights of {hub_id} are not on this machine"
    if isinstance(problem, errors.GatedRepoError):
        return f"{hub_id} is only given to people who agreed to its terms on the model hub: do so, then `hf auth login`"
    if isinstance(problem, errors.RepositoryNotFoundError):
        return f"the model hub has no model {hub_id}, or it is private: check the name, or log in with `hf auth login`"
    if isinstance(problem, errors.RevisionNotFoundError):
        return f"the model hub has no revision {revision} of {hub_id}"
    if isinstance(problem, errors.RemoteEntryNotFoundError):
        return f"{hub_id} has no {CONFIG_FILE} and {WEIGHTS_FILE}: it is not a Depth Anything 3 model"
    if isinstance(problem, errors.OfflineModeIsEnabled):
        return f"{not_here}, and HF_HUB_OFFLINE forbids to ask the model hub for them"
    detail = str(problem).split("\n", 1)[0] or type(problem).__name__
    advice = f"check the network, or give a folder with {CONFIG_FILE} and {WEIGHTS_FILE} instead"
    return f"{not_here} and the model hub does not give them ({detail}): {advice}"


def _progress_class(hub_id: str, report: ReportProgress) -> type:
    """The class that huggingface_hub makes its progress bar from: silent, reports each whole percent."""
    from tqdm import tqdm

    class Progress(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)  # a parameter of huggingface_hub's own class
            super().__init__(*args, **{**options, "disable": True})
            self.done_bytes = int(options.get("initial") or 0)
            self.percent = -1

        def update(self, n: float | None = 1) -> None:
            self.done_bytes += int(n or 0)
            total = int(self.total or 0)
            if total and self.done_bytes * 100 // total != self.percent:
                self.percent = self.done_bytes * 100 // total
                report(
                    f"downloading {hub_id}: {self.done_bytes / 1e9:.2f} of {total / 1e9:.2f} GB",
                    min(self.done_bytes / total, 1.0),
                )

    return Progress
