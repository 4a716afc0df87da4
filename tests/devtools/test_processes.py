"""Children end with us, however we end, and say why they ended before."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devtools.processes import (
    Child,
    ProcessError,
    answers,
    free_ports,
    is_port_open,
    run_quietly,
    stop_all,
    wait_until,
)

STUBBORN = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def wait_for_text(path: Path, text: str) -> None:
    wait_until(lambda: path.exists() and text in path.read_text(), str(path), seconds=20)


def test_a_child_that_ended_shows_its_last_words(tmp_path: Path) -> None:
    child = Child.start(
        "web", python("import os, sys; print(os.environ['WORD']); sys.exit(3)"), tmp_path, env={"WORD": "no port"}
    )
    child.process.wait()
    with pytest.raises(ProcessError, match=r"(?s)web ended with code 3.*web\.log.*no port"):
        child.check()


def test_waiting_ends_when_the_child_does(tmp_path: Path) -> None:
    child = Child.start("web", python("print('port is taken')"), tmp_path)
    started = time.monotonic()
    with pytest.raises(ProcessError, match="port is taken"):
        wait_until(lambda: False, "the page", seconds=30, child=child)
    assert time.monotonic() - started < 15


def test_waiting_for_something_slow_names_it(tmp_path: Path) -> None:
    child = Child.start("web", python(STUBBORN), tmp_path)
    try:
        wait_for_text(child.log, "up")
        with pytest.raises(ProcessError, match=r"(?s)the page was not ready after 0\.1 s; web says:.*up"):
            wait_until(lambda: False, "the page", seconds=0.1, child=child)
    finally:
        child.stop(seconds=0)


def test_a_stubborn_child_is_killed(tmp_path: Path) -> None:
    child = Child.start("worker", python(STUBBORN), tmp_path)
    wait_for_text(child.log, "up")
    child.stop(seconds=0.2)
    assert child.process.returncode == -signal.SIGKILL


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        f"print(subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]).pid, flush=True)\ntime.sleep(60)\n"
    )
    child = Child.start("web", python(code), tmp_path)
    wait_for_text(child.log, "up")
    grandchild = int(child.log.read_text().split()[0])
    assert is_alive(grandchild)
    stop_all([child])
    wait_until(lambda: not is_alive(grandchild), "the end of the grandchild", seconds=10)


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom devtools.processes import Child\n"
        "child = Child.start('beat', [sys.executable, '-c', 'import time; time.sleep(60)'], Path(sys.argv[1]))\n"
        "print(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([*python(code), str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    wait_until(lambda: not is_alive(pid), "the end of the child", seconds=10)


def test_a_command_that_fails_shows_what_it_said(tmp_path: Path) -> None:
    assert run_quietly("seed", python("print('fine')"), env={}, cwd=tmp_path) == "fine\n"
    with pytest.raises(ProcessError, match=r"(?s)seed failed with code 1:.*no such table"):
        run_quietly("seed", python("import sys; sys.exit('no such table')"), env={}, cwd=tmp_path)


def test_free_ports_are_not_handed_out_twice() -> None:
    ports = free_ports(3) + free_ports(3)
    assert len(set(ports)) == 6
    assert all(20000 <= port < 32000 and not is_port_open(port) for port in ports)
    assert not answers(f"http://127.0.0.1:{ports[0]}/")
