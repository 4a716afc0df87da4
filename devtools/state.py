"""What `make run` keeps between runs: one folder per port, with secrets made up on the first run."""

import contextlib
import fcntl
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class AlreadyRunning(RuntimeError):
    """Somebody holds this state; the message says who."""


@dataclass(frozen=True)
class State:
    """A folder that one run at a time may use."""

    folder: Path

    def secret(self, name: str) -> str:
        """Return the secret of that name, made up when it is first asked for.

        Letters, digits, `-` and `_` only: a client's secret must hold neither colon nor at sign.
        """
        path = self.folder / "secrets.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if name not in known:
            known[name] = secrets.token_urlsafe(32)
            write_private(path, json.dumps(known, indent=1))
        return known[name]

    @contextlib.contextmanager
    def held(self, by: str) -> Iterator[None]:
        """Keep the state for ourselves; the lock ends with the process, whatever ends that.

        :raises AlreadyRunning: naming who holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)  # the database server runs as another account and must pass
        with (self.folder / "run.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise AlreadyRunning(lock.read().strip() or "another process") from None
            lock.truncate(0)
            lock.write(by)
            lock.flush()
            yield


def write_private(path: Path, text: str) -> None:
    """Write the file in one step, readable for its owner alone."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)
