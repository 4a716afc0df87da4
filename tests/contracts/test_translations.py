"""Every text that a page shows is in each language's catalogue, and says the same with the same placeholders."""

from __future__ import annotations

import gettext
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from devtools.paths import PYTHON, ROOT

SOURCES = ("accounting", "marketplace", "portal", "templates", "locale")
CATALOGUES = sorted((ROOT / "locale").glob("*/LC_MESSAGES/django.po"))
_TAG = re.compile(r"</?[a-z][^>]*>")


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `makemessages` finds in the sources now, in a copy of them."""
    folder = tmp_path_factory.mktemp("texts")
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    shutil.copy(ROOT / "manage.py", folder)
    command: list[str | Path] = [
        PYTHON,
        "manage.py",
        "makemessages",
        "-l",
        "de",
        "--keep-pot",
        "--no-location",
        "--no-wrap",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "locale" / "django.pot"


@pytest.fixture(params=CATALOGUES, ids=lambda path: path.parent.parent.name)
def catalogue(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def texts(catalogue: Path, folder: Path) -> dict[str, str]:
    """Each text and its translation; `--check-format` refuses placeholders that differ."""
    compiled = folder / "texts.mo"
    done = subprocess.run(
        ["msgfmt", "--check-format", "-o", compiled, catalogue], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with compiled.open("rb") as file:
        found: dict[Any, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {str(key[0] if isinstance(key, tuple) else key): text for key, text in found.items() if key}


def test_each_language_has_a_catalogue() -> None:
    assert [path.parent.parent.name for path in CATALOGUES] == [code for code, _ in settings.LANGUAGES if code != "en"]


def test_nothing_is_untranslated(extracted: Path, catalogue: Path) -> None:
    done = subprocess.run(["msgcmp", catalogue, extracted], capture_output=True, text=True, check=False)

    assert done.returncode == 0, f"run `make messages` and translate what is empty:\n{done.stderr}"


def test_nothing_is_translated_that_nobody_says(extracted: Path, catalogue: Path) -> None:
    done = subprocess.run(["msgcomm", "--unique", catalogue, extracted], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "msgstr" not in done.stdout.partition("\n\n")[2], done.stdout


def test_translations_keep_the_markup_and_the_ends(catalogue: Path, tmp_path: Path) -> None:
    for text, translated in texts(catalogue, tmp_path).items():
        assert sorted(_TAG.findall(text)) == sorted(_TAG.findall(translated)), text
        assert text[-1].isspace() == translated[-1].isspace(), text
        if not text.endswith(")s"):  # what stands there may end the sentence itself
            assert (text[-1] in ".?!…:") == (translated[-1] in ".?!…:"), text


def test_a_text_that_is_missing_is_found(extracted: Path, catalogue: Path, tmp_path: Path) -> None:
    """The check itself: a catalogue without one of its texts fails."""
    short = tmp_path / "short.po"
    whole = catalogue.read_text(encoding="utf-8")
    head, _, rest = whole.partition("\n\n")
    short.write_text(head + "\n\n" + rest.partition("\n\n")[2], encoding="utf-8")
    done = subprocess.run(["msgcmp", short, extracted], capture_output=True, text=True, check=False)

    assert done.returncode != 0
