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


def state_folder(port: int) -> Path:
    """Return the folder that `make run` on this port keeps its database, keys and passwords in.

    One per port, because people are known by the provider's address, which moves with the port. STATE_DIR
    wins; otherwise a place that survives `make clean` and that the account of the database server can reach
    (a folder below root's home cannot: its mode stops everybody else).
    """
    if chosen := os.environ.get("STATE_DIR"):
        return Path(chosen).resolve()
    if os.geteuid() == 0:
        return Path("/var/lib") / NAME / str(port)
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return home / NAME / str(port)
