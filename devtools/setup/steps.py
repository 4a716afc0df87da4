"""The steps, what each is made from, and which of them wait for which others."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from devtools.paths import NODE_MODULES, PYTHON, ROOT, STATIC_BUILD, VENV
from devtools.setup import node, stamps, system
from devtools.setup.system import SetupError

SHOWN_LINES = 25


@dataclass(frozen=True)
class Step:
    """One thing to make. `wanted` is the hash that says it is up to date; None: `do` finds out itself."""

    name: str
    do: Callable[[], None]
    wanted: Callable[[], str] | None = None
    products: tuple[Path, ...] = ()
    after: tuple[str, ...] = ()
    marks: Path = stamps.FOLDER

    def run(self) -> bool:
        """Do what is needed; tell whether there was anything to do.

        :raises SetupError: with the output of what failed.
        """
        if self.wanted is None:
            self.do()
            return True
        wanted = self.wanted()
        if stamps.is_current(self.name, wanted, self.products, self.marks):
            return False
        stamps.forget(self.name, self.marks)
        self.do()
        stamps.write(self.name, wanted, self.marks)
        return True


def plan(kind: str) -> list[Step]:
    """Return the steps for `run` or `test`, each after those that it waits for."""
    packages = system.missing_packages(kind)
    debian = [Step("debian", lambda: system.install(packages))] if packages else []
    # Only what comes from Debian's venv package must wait for Debian; the rest goes on beside it.
    venv_waits = ("debian",) if "python3-venv" in packages else ()
    requirements = [ROOT / "requirements.txt", *([ROOT / "requirements-dev.txt"] if kind == "test" else [])]
    fetch_node = node.of_machine() is None
    return [
        *debian,
        Step("venv", _make_venv, _venv_wanted, (PYTHON, VENV / "bin" / "uv"), venv_waits),
        *([_packages("node", [ROOT / "requirements-node.txt"], (node.packaged(),))] if fetch_node else []),
        _packages(f"python-{kind}", requirements, ()),
        Step(
            "npm",
            _npm_ci,
            _npm_wanted,
            (NODE_MODULES / ".package-lock.json",),
            ("node",) if fetch_node else (),
        ),
        Step("assets", _build_assets, _assets_wanted, (STATIC_BUILD,), ("npm",)),
        Step("languages", _compile_languages, _languages_wanted, _compiled(), ("debian",)),
    ]


def _packages(name: str, requirements: list[Path], products: tuple[Path, ...]) -> Step:
    def install() -> None:
        # The most complete file is enough: the development set names the run-time set again.
        _run(
            [
                VENV / "bin" / "uv",
                "pip",
                "install",
                "-q",
                "--python",
                PYTHON,
                "--require-hashes",
                "-r",
                requirements[-1],
            ],
            "the Python packages could not be installed; is the package index reachable?",
        )

    def wanted() -> str:
        return stamps.digest(requirements, [_venv_wanted()])

    return Step(name, install, wanted, (PYTHON, *products), ("venv",))


def _make_venv() -> None:
    _run(
        [sys.executable, "-m", "venv", "--clear", VENV],
        "no virtual environment: apt-get install python3-venv",
    )
    _run(
        [PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "uv"],
        "the installer uv could not be fetched",
    )


def _venv_wanted() -> str:
    return stamps.digest(words=[sys.version, str(VENV)])


def _npm_ci() -> None:
    chosen = _node()
    command = [*node.npm_command(chosen), "ci", "--ignore-scripts", "--loglevel=error"]
    _run(command, "the packages of package-lock.json could not be installed; is npm's registry reachable?")


def _npm_wanted() -> str:
    return stamps.digest([ROOT / "package.json", ROOT / "package-lock.json", ROOT / ".npmrc"])


def _build_assets() -> None:
    _run([_node(), ROOT / "assets" / "build.mjs"], "the style sheet and scripts could not be built")


def _assets_wanted() -> str:
    # Class names are collected from templates and from the code that renders them.
    code = (ROOT / "portal").rglob("*.py")
    return stamps.digest([ROOT / "assets", ROOT / "templates", ROOT / "package-lock.json", *code])


def _compile_languages() -> None:
    for texts, compiled in zip(_texts(), _compiled(), strict=True):
        _run(["msgfmt", "--check-format", "-o", compiled, texts], "a translation could not be compiled")


def _languages_wanted() -> str:
    return stamps.digest(_texts())


def _texts() -> tuple[Path, ...]:
    return tuple(sorted((ROOT / "locale").glob("*/LC_MESSAGES/django.po")))


def _compiled() -> tuple[Path, ...]:
    return tuple(path.with_suffix(".mo") for path in _texts())


def _node() -> Path:
    found = node.find()
    if found is None:
        raise SetupError("no Node >= 20.19 with npm was found, and none was installed")
    return found


def _run(command: Iterable[object], hint: str) -> None:
    words = [str(word) for word in command]
    path = os.pathsep.join([str(node.packaged().parent), os.environ.get("PATH", "")])
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy"}
    if node.of_machine() is None:
        environment["PATH"] = path
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        shown = said if len(said) <= SHOWN_LINES else [*said[:SHOWN_LINES], "..."]
        raise SetupError("\n".join([hint, f"$ {' '.join(words)}", *shown]))
