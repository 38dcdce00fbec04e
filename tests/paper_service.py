"""The service as it is, but for its engine: one of paper, that answers at once. `python -m tests.paper_service FLAGS`

No torch, so that many of them are cheap. Its results are as large as real ones: a disk takes a while for them.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence

import stream_server
from splatcam.frame_job import FrameJob, FrameResult
from tests.fakes import PaperEngine

DEPTH = random.Random(7).randbytes(150_000)


class HeavyPaperEngine(PaperEngine):
    async def process(self, job: FrameJob) -> FrameResult:
        result = await super().process(job)
        for fields in result.fields.values():
            if "depth" in fields:
                fields["depth"] = DEPTH
        return result


def main(arguments: Sequence[str]) -> int:
    stream_server.build_engine = lambda settings, telemetry: HeavyPaperEngine()
    return stream_server.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
