"""What a reader may rely on in every file: locked packages, no addresses of registries, nothing that grew too long."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.paths import ROOT

REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))
PACKAGES = ("accounting", "marketplace", "portal", "devtools", "tests")
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 70


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (path for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts)


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_hashed_and_name_no_address(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert "--index" not in text
    pinned = re.findall(r"^([a-z0-9._-]+)==\S+ \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE)
    names = re.findall(r"^[a-z]\S*", text, re.MULTILINE)
    assert len(pinned) == len(names) > 0


def test_development_uses_the_versions_that_are_shipped() -> None:
    def versions(name: str) -> set[str]:
        return set(re.findall(r"^[a-z]\S*==\S+", (ROOT / name).read_text(), re.MULTILINE))

    assert versions("requirements.txt") < versions("requirements-dev.txt")


def test_the_npm_lock_names_no_address_and_belongs_to_the_package() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    wanted = json.loads((ROOT / "package.json").read_text())
    locked = lock["packages"][""]
    assert locked["dependencies"] == wanted["dependencies"]
    assert locked["devDependencies"] == wanted["devDependencies"]


def test_what_is_installed_here_has_a_hash() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    here = {name: package for name, package in lock.items() if name and (ROOT / name).exists()}
    assert here
    assert [name for name, package in here.items() if not package.get("integrity")] == []


def test_no_file_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FILE} == {}


def test_no_function_is_too_long() -> None:
    def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        tree = ast.parse(path.read_text())
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    lengths = {
        f"{path.relative_to(ROOT)}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path in sources()
        for function in functions(path)
    }
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FUNCTION} == {}


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
    assert [path for path in sources() if path.name in drawers] == []


def test_every_command_of_the_makefile_runs_a_module_that_exists() -> None:
    text = (ROOT / "Makefile").read_text()
    modules = set(re.findall(r"-m (devtools\.[a-z]+)\b(?!\.)", text))
    assert modules
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
