"""Where things that are not committed live."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
NODE_MODULES = ROOT / "node_modules"
STATIC_BUILD = ROOT / "static_build"
NAME = "openeo-credits"


def state_folder() -> Path:
    """Return the folder that `make run` keeps its database, keys and passwords in.

    STATE_DIR wins; otherwise a place that survives `make clean` and that the account of the database
    server can reach (a folder below root's home cannot: its mode stops everybody else).
    """
    if chosen := os.environ.get("STATE_DIR"):
        return Path(chosen).resolve()
    if os.geteuid() == 0:
        return Path("/var/lib") / NAME
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / NAME
