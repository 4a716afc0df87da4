"""`python3 -m devtools.setup run|test`: see the package."""

import contextlib
import fcntl
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from devtools.paths import LOCAL
from devtools.setup.steps import Step, plan
from devtools.setup.system import SetupError

OLDEST_PYTHON = (3, 11)

Say = Callable[[str], None]


def main(arguments: list[str]) -> int:
    if arguments not in (["run"], ["test"]):
        print("usage: python3 -m devtools.setup run|test", file=sys.stderr)
        return 2
    if sys.version_info < OLDEST_PYTHON:
        print(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 1
    started = time.monotonic()
    with _only_one_at_a_time():
        return run_all(plan(arguments[0]), lambda line: _say(line, started))


def run_all(steps: list[Step], say: Say) -> int:
    """Run the steps, those side by side that do not wait for each other; return the exit code."""
    names = {step.name for step in steps}
    waiting, done, failed = list(steps), set[str](), False
    running: dict[Future[bool], Step] = {}
    with ThreadPoolExecutor() as pool:
        while waiting or running:
            ready = [] if failed else [s for s in waiting if names.intersection(s.after) <= done]
            for step in ready:
                waiting.remove(step)
                running[pool.submit(step.run)] = step
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                step = running.pop(future)
                failed |= not _report(step, future, say)
                done.add(step.name)
    return 1 if failed else 0


def _report(step: Step, future: Future[bool], say: Say) -> bool:
    try:
        if future.result():
            say(f"{step.name}: done")
    except (SetupError, OSError) as error:
        say(f"{step.name}: FAILED: {error}")
        return False
    return True


def _say(line: str, started: float) -> None:
    print(f"[set-up {time.monotonic() - started:5.1f} s] {line}", flush=True)


@contextlib.contextmanager
def _only_one_at_a_time() -> Iterator[None]:
    """Wait while another set-up works in the same checkout."""
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "set-up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
