"""Writes docs/reliability.md from what `make faults`, `make fuzz`, `make soak` and `make overload` have left.

python -m tests.faults.document FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "reliability.md"
OPENING = """<!-- Written by `make reliability`; run it instead of changing numbers here. -->

# Reliability

What the service was put through, and what it did. The short form of each of these is in `make test`, where counts and
outcomes are asserted and times are not. A plus after a commit means that files were changed since.
"""


def faults(told: dict[str, Any]) -> str:
    return f"""## Faults on purpose

`make faults`: {told["faults"]} faults of {told["kinds"]} kinds, to a service of the synthetic model with two bystanders
that stream all the time. {told["wrong"]} were not as promised. Times are from the word to the victim to the next result
of every bystander; a restart has the start of a process and the load of its model in it, which alone took
{told["load_s"]:.2f} s in the same run.

{lines(told)}
"""


def fuzz(told: dict[str, Any]) -> str:
    return f"""## Damaged input

`make fuzz`, seed {told["seed"]}: only declared errors, and no input over 60 ms of CPU.

{lines(told)}
"""


def poison(told: dict[str, Any]) -> str:
    times = f"p50 {told['p50_ms']:.1f} ms, p95 {told['p95_ms']:.1f} ms, at most {told['worst_ms']:.1f} ms"
    return f"""## Poison files

{told["files"]} JPEGs made to harm, over a websocket to a running service, each followed by a good frame:
{told["wrong"]} were not answered as they should be. From frame to error: {times}.
"""


def messages(told: dict[str, Any]) -> str:
    count, growth_mb = sum(told["sent"].values()), told["growth_mb"]
    return f"""## Hostile websockets

`make fuzz`: {count:,} messages, with a good client beside them: text, empty, oversize, pieces, bad masks, bad
UTF-8, pings, closes in the middle, resets. The service's memory grew by {growth_mb:.1f} MB after the first tenth,
its descriptors went from {told["descriptors_before"]} to {told["descriptors_after"]}; all
{told["good_frames"]:,} frames of the good client were answered.
Ends that were not as the message deserves: {len(told["surprises"])}.
"""


def overload(told: dict[str, Any]) -> str:
    return f"""## Overload

`make overload`: the real service, the synthetic model with an engine of 33 ms.

{lines(told)}
"""


def soak(told: dict[str, Any]) -> str:
    slopes = told["slopes_mb_per_min"]
    leaks = "; ".join(told["leaks"]) or "nothing is more than before"
    visits = sum(told["visits"].values())
    return f"""## Half an hour of coming and going

`make soak`: {told["clients"]} clients for {told["minutes"]:g} minutes, {visits:,} visits: cameras, watchers, viewers of
pictures, visitors of the page, nonsense, resets. After the warm-up the server's memory grew by
{slopes["server_mb"]:.2f} MB a minute, the engine's by {slopes["engine_mb"]:.2f}. When everybody had left: {leaks}.

{lines(told)}
"""


SECTIONS = {
    "faults": faults, "fuzz": fuzz, "poison": poison, "messages": messages, "overload": overload, "soak": soak,
}  # fmt: skip


def lines(told: dict[str, Any]) -> str:
    return "\n".join(told["table"])


def origin(told: dict[str, Any]) -> str:
    return f"\n{told['machine']['name']}, commit {told['commit']}.\n"


def main(arguments: Sequence[str], page: Path = PAGE) -> int:
    folder = Path(arguments[0])
    absent = [name for name in SECTIONS if not (folder / f"{name}.json").is_file()]
    if absent:
        print(f"document: {folder} lacks {', '.join(absent)}", file=sys.stderr)
        return 1
    parts = [OPENING]
    for name, section in SECTIONS.items():
        told = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        parts.append(section(told) + origin(told))
    page.write_text("\n".join(parts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
