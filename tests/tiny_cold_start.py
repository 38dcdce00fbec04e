"""A cold start of the tiny Depth Anything 3: `python -m tests.tiny_cold_start FOLDER DEVICE LONG_SIDE_PX`"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from splatcam.bench import cold_start
from tests.tiny_da3 import register

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        register(Path(folder))
        sys.exit(cold_start.main(sys.argv[1:]))
