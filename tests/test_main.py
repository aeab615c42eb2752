import os
import subprocess
import sys
from pathlib import Path

import iciclegcn


def test_the_package_runs_as_a_module() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(iciclegcn.__file__).parents[1])}
    command = [sys.executable, "-m", "iciclegcn", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0
    assert done.stdout == f"iciclegcn {iciclegcn.__version__}\n"
