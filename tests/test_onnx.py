"""The built-in network as ONNX: another runtime gives the same answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXPORT = """
import sys
from pathlib import Path
from splatcam.estimators.depth_net import load
from training.export import MOST_OFF, off_in_onnxruntime, save_onnx

net, path = load(), Path(sys.argv[1])
save_onnx(net, path)
assert off_in_onnxruntime(net, path) < MOST_OFF
next(net.parameters()).data.mul_(2)  # another network than the one in the file
assert off_in_onnxruntime(net, path) > MOST_OFF
"""


def test_the_package_s_own_network_answers_the_same_in_onnxruntime(tmp_path: Path) -> None:
    """In a process of its own: the exporter of torch warns of much that is not ours."""
    path = tmp_path / "builtin.onnx"
    done = subprocess.run([sys.executable, "-c", EXPORT, str(path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert path.stat().st_size < 8e6
