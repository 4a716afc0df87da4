"""Child processes with a log each, that are sure to end when we do."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str | Path]

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_handed_out: set[int] = set()


class ProcessError(RuntimeError):
    """A child ended, or never became ready; the message holds its last words."""


def _die_with_parent() -> None:
    # Covers the case that we are killed ourselves and cannot clean up.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """One running program in a process group of its own, so that Ctrl-C reaches only us."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls,
        name: str,
        command: Command,
        log_folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> "Child":
        """Start the program with `env` on top of our environment; its output goes to NAME.log."""
        log_folder.mkdir(parents=True, exist_ok=True)
        log = log_folder / f"{name}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [str(part) for part in command],
                env=os.environ | (env or {}),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - we start no threads before
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        return self.process.pid

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def last_words(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def check(self) -> None:
        """:raises ProcessError: when the program has ended."""
        if self.has_ended():
            raise ProcessError(
                f"{self.name} ended with code {self.process.returncode}. Its last words ({self.log}):\n"
                f"{self.last_words()}"
            )

    def signal(self, number: int) -> None:
        """Send the signal to the program and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self, seconds: float = 10) -> None:
        """Ask it to end, and kill it and what it started when it has not after `seconds`."""
        stop_all([self], seconds)


def stop_all(children: Sequence[Child], seconds: float = 10) -> None:
    """Stop the children side by side; those that do not end within `seconds` are killed."""
    for child in children:
        if not child.has_ended():
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()  # only the head: gunicorn and celery end their workers themselves
    deadline = time.monotonic() + seconds
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, deadline - time.monotonic()))
    for child in children:
        child.signal(signal.SIGKILL)  # also what a dead head left behind
        child.process.wait()


def run_in_front(command: Command, *, env: Mapping[str, str], cwd: Path) -> int:
    """Run a program on our terminal and return its exit code; when we are told to end, it ends first."""
    with subprocess.Popen([str(part) for part in command], env=os.environ | env, cwd=cwd) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()  # after Ctrl-C it has had the signal already; this does no harm
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            raise


def run_quietly(what: str, command: Command, *, env: Mapping[str, str], cwd: Path) -> str:
    """Run a program to its end and return what it printed.

    :raises ProcessError: with what it said, when it fails.
    """
    words = [str(part) for part in command]
    done = subprocess.run(words, env=os.environ | env, cwd=cwd, text=True, capture_output=True, check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise ProcessError(f"{what} failed with code {done.returncode}:\n{said}")
    return done.stdout


def wait_until(
    ready: Callable[[], bool], what: str, *, seconds: float, child: Child | None = None, pause: float = 0.05
) -> None:
    """Wait until `ready()` holds.

    :raises ProcessError: when the child ends meanwhile, or after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if child is not None:
            child.check()
        if time.monotonic() > deadline:
            words = f"; {child.name} says:\n{child.last_words()}" if child is not None else ""
            raise ProcessError(f"{what} was not ready after {seconds:g} s{words}")
        time.sleep(pause)


def answers(url: str) -> bool:
    """Tell whether a GET is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status < 400)
    except OSError:
        return False


def is_port_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(count: int, low: int = 20000, high: int = 32000) -> list[int]:
    """Return ports that nothing listens on, below the range that the kernel hands out to clients.

    No port is returned twice by one process: who asked first may not have opened it yet.
    """
    found: list[int] = []
    with contextlib.ExitStack() as held:
        for port in _spread(low, high):
            if port in _handed_out:
                continue
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
            _handed_out.add(port)
            if len(found) == count:
                return found
    raise ProcessError(f"no {count} free ports between {low} and {high}")


def _spread(low: int, high: int) -> list[int]:
    # Spread by our process id, so that two test runs side by side rarely try the same ones.
    start = low + os.getpid() * 37 % (high - low)
    return [*range(start, high), *range(low, start)]
