"""`make manage ARGS="limit_spending 42 --amount 5000"`: a command of manage.py for what `make run` runs on PORT.

It connects as the application does, so that what works here works where the settings come from elsewhere.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from devtools.paths import PYTHON, ROOT, state_folder
from devtools.portal import Portal
from devtools.processes import is_port_open
from devtools.state import State


def main(arguments: Sequence[str]) -> int:
    port = int(os.environ.get("PORT") or 8600)
    folder = state_folder(port)
    portal = Portal(port, State(folder))
    if not folder.exists() or not is_port_open(portal.cluster.port):
        print(f"Nothing runs on port {port}: PORT={port} make run starts it, with the same STATE_DIR.", file=sys.stderr)
        return 1
    env = {**os.environ, **portal.environment(portal.provider().issuer)}
    return subprocess.run([PYTHON, ROOT / "manage.py", *arguments], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
