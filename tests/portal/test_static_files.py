"""What production serves: every file under a name with its hash, which browsers keep for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import RequestFactory, override_settings
from whitenoise.middleware import WhiteNoiseMiddleware

HASHED = re.compile(r"\.[0-9a-f]{12}\.")
OTHERS = ("drf_spectacular_sidecar", "admin", "rest_framework", "debug_toolbar")
FOR_EVER = "max-age=315360000, public, immutable"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Our own files, collected with the storage of production."""
    folder = tmp_path_factory.mktemp("static")
    storage = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    changed = {
        "STATIC_ROOT": str(folder),
        "STORAGES": {**settings.STORAGES, "staticfiles": storage},
        "WHITENOISE_AUTOREFRESH": False,
        "WHITENOISE_USE_FINDERS": False,
    }
    with override_settings(**changed):
        call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=list(OTHERS))
        yield folder


def stored(folder: Path, name: str) -> Path:
    """The file under the name that pages give it."""
    return folder / staticfiles_storage.url(name).removeprefix("/static/")


def served(name: str) -> Any:
    """The answer's headers; its file is closed again."""
    response = WhiteNoiseMiddleware(lambda request: HttpResponse(status=404))(RequestFactory().get(name))
    for close in response._resource_closers:
        close()
    return response


def test_pages_name_hashed_files_that_are_kept_for_ever(collected: Path) -> None:
    page = render_to_string("plain.html") + render_to_string("base.html", request=None)
    named = set(re.findall(r'(?:href|src|content)="(/static/[^"]+)"', page))

    assert {re.sub(HASHED, ".", name) for name in named} >= {
        *("/static/css/app.css", "/static/js/app.js", "/static/js/palette.js", "/static/js/faults.js"),
        *("/static/js/vendor/chart.js", "/static/favicon.svg", "/static/fonts/inter-latin-opsz-normal.woff2"),
    }
    for name in named:
        assert HASHED.search(name), name
        response = served(name)
        assert response.status_code == 200, name
        assert response["Cache-Control"] == FOR_EVER, name


def test_a_name_without_a_hash_is_not_kept_for_ever(collected: Path) -> None:
    """The negative control: it is the hash that makes a file immutable."""
    assert served("/static/js/app.js")["Cache-Control"] != FOR_EVER


def test_the_style_sheet_names_hashed_fonts(collected: Path) -> None:
    style = stored(collected, "css/app.css")
    urls = re.findall(r"url\(\"?([^\")]+)\"?\)", style.read_text())
    fonts = [url for url in urls if not url.startswith("data:")]

    assert len(fonts) >= 4
    for url in fonts:
        assert HASHED.search(url), url
        assert (style.parent / url).resolve().is_file(), url


def test_scripts_load_no_other_script_by_a_name_without_hash(collected: Path) -> None:
    for name in ("js/app.js", "js/palette.js", "js/faults.js"):
        text = stored(collected, name).read_text()
        imported = re.findall(r"""(?:from|import)\s*\(?\s*["']([^"']+)["']""", text)
        assert [one for one in imported if not HASHED.search(one)] == [], name
        written = re.findall(r"""["']((?:/static/|\.{1,2}/)[^"']*\.js)["']""", text)
        assert [one for one in written if not HASHED.search(one)] == [], name


def test_they_are_compressed_beforehand(collected: Path) -> None:
    style = stored(collected, "css/app.css")

    assert Path(f"{style}.gz").is_file()
