"""Set-up steps wait for each other, and a failure says what and stops what depends on it."""

import threading
from pathlib import Path

import pytest

from devtools.setup import node, steps, system
from devtools.setup.__main__ import main, run_all
from devtools.setup.steps import Step
from devtools.setup.system import SetupError


def fail() -> None:
    raise SetupError("apt-get install postgresql")


def test_steps_run_after_those_they_wait_for() -> None:
    done: list[str] = []
    both_started = threading.Barrier(2, timeout=10)

    def beside(name: str) -> None:
        both_started.wait()
        done.append(name)

    plan = [
        Step("assets", lambda: done.append("assets"), after=("npm", "node")),
        Step("npm", lambda: beside("npm")),
        Step("node", lambda: beside("node")),
    ]
    assert run_all(plan, lambda _: None) == 0
    assert done[-1] == "assets"
    assert sorted(done[:2]) == ["node", "npm"]


def test_a_step_may_wait_for_one_that_this_machine_does_not_need() -> None:
    done: list[str] = []
    assert run_all([Step("npm", lambda: done.append("npm"), after=("node",))], lambda _: None) == 0
    assert done == ["npm"]


def test_a_failure_is_explained_and_stops_what_waits_for_it() -> None:
    done: list[str] = []
    said: list[str] = []
    plan = [Step("debian", fail), Step("venv", lambda: done.append("venv"), after=("debian",))]
    assert run_all(plan, said.append) == 1
    assert done == []
    assert said == ["debian: FAILED: apt-get install postgresql"]


def test_a_step_that_failed_is_repeated_although_it_was_done_before(tmp_path: Path) -> None:
    wanted = ["first"]
    calls: list[str] = []

    def do() -> None:
        calls.append(wanted[0])
        if wanted[0] == "second":
            fail()

    step = Step("npm", do, lambda: wanted[0], marks=tmp_path)
    assert step.run()
    assert not step.run()
    wanted[0] = "second"
    with pytest.raises(SetupError):
        step.run()
    wanted[0] = "first"
    assert step.run()
    assert calls == ["first", "second", "first"]


def test_without_root_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SetupError, match=r"apt-get install --no-install-recommends postgresql chromium"):
        system.install(["postgresql", "chromium"])


def test_every_step_waits_only_for_known_ones() -> None:
    known = {"debian", "venv", "node", "npm", "assets", "languages", "python-run", "python-test"}
    for kind in ("run", "test"):
        plan = steps.plan(kind)
        assert {step.name for step in plan} <= known
        assert {name for step in plan for name in step.after} <= known


def test_node_too_old_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, says in (("node", "v20.18.3"), ("npm", "10.0.0")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {says}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert node.of_machine() is None
    (tmp_path / "node").write_text("#!/bin/sh\necho v20.19.0\n")
    assert node.of_machine() == tmp_path / "node"
    (tmp_path / "npm").unlink()
    (tmp_path / "node").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert node.of_machine() is None


def test_unknown_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["everything"]) == 2
    assert "run|test" in capsys.readouterr().err
