"""`make reset`: forget the database, keys and passwords of `make run` on this PORT."""

import os
import shutil
import sys

from devtools.paths import state_folder
from devtools.postgres import Cluster
from devtools.state import AlreadyRunning, State


def main() -> int:
    folder = state_folder(int(os.environ.get("PORT") or 8600))
    if not folder.exists():
        return 0
    try:
        with State(folder).held("make reset"):
            Cluster(folder / "postgres", 0).stop("immediate")
            shutil.rmtree(folder)
    except AlreadyRunning as error:
        print(f"Stop it first: {error}", file=sys.stderr)
        return 1
    print(f"removed {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
