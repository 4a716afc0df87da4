"""The quick version of `make fuzz`, always with the same seed: our API keeps to what it says of itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.provider
def test_schemathesis_finds_nothing() -> None:
    assert "TEST_OP_ROOT" in os.environ, "run the tests by `make test`, or inside `python -m devtools.testenv`"
    command = [sys.executable, "-m", "devtools.rigs.fuzz", "--quick", "--only", "v1", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": fine (") == 3
