"""A federation's title, logo and accent on every page, kept by browsers for as long as they are the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from portal import brand

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 28"><script>alert(1)</script><path d="M0 0h9v9z"/></svg>'
)


@pytest.fixture
def branded(settings: Any, tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "logo.svg").write_bytes(SVG)
    (tmp_path / "dark.png").write_bytes(b"\x89PNG\r\n")
    settings.SITE_TITLE = "Alpine Cubes"
    settings.SITE_ACCENT = "150"
    settings.SITE_LOGO = str(tmp_path / "logo.svg")
    settings.SITE_LOGO_DARK = str(tmp_path / "dark.png")
    settings.SITE_LOGO_ALT = "Alpine Cubes"
    settings.SUPPORT_URL = "mailto:help@example.org"
    brand.picture.cache_clear()
    yield settings
    brand.picture.cache_clear()


def addresses(page: str) -> list[str]:
    return re.findall(r'(?:href|src)="(/brand/[^"]+)"', page)


@pytest.mark.django_db
class TestPages:
    @pytest.mark.parametrize("path", ["/", "/nothing", "/jobs/?state=x", "/help/"])
    def test_every_page_has_it_also_those_of_faults(self, branded: Any, client: Client, path: str) -> None:
        page = client.get(path, follow=path != "/jobs/?state=x").content.decode()
        if path == "/jobs/?state=x":
            page = client.get("/theme/x").content.decode()

        assert "Alpine Cubes" in page
        kinds = {address.rpartition("/")[2] for address in addresses(page)}
        assert kinds == {"accent.css", "logo", "logo-dark"}
        assert 'alt="Alpine Cubes"' in page

    def test_a_logo_that_says_nothing_has_the_title_beside_it(self, branded: Any, client: Client) -> None:
        branded.SITE_LOGO_ALT = ""
        page = client.get("/").content.decode()

        assert 'alt=""' in page
        assert "<span>Alpine Cubes</span>" in page

    def test_without_a_brand_nothing_is_asked_for(self, client: Client) -> None:
        assert addresses(client.get("/").content.decode()) == []

    def test_a_file_that_went_away_leaves_our_sign(self, branded: Any, client: Client) -> None:
        Path(branded.SITE_LOGO).unlink()
        page = client.get("/").content.decode()

        assert "brand/" in page
        assert "<img" not in page


class TestFiles:
    def test_each_is_served_for_ever_under_its_hash(self, branded: Any, client: Client) -> None:
        for name, content_type in (
            (brand.ACCENT, "text/css"),
            (brand.LOGO, "image/svg+xml"),
            (brand.LOGO_DARK, "image/png"),
        ):
            response = client.get(brand.address(name))

            assert response.status_code == 200
            assert response["Content-Type"].startswith(content_type)
            assert response["Cache-Control"] == "public, max-age=31536000, immutable"
            assert "Cookie" not in response.get("Vary", "")

    def test_of_another_version_the_present_one_but_not_for_long(self, branded: Any, client: Client) -> None:
        response = client.get("/brand/0123456789ab/accent.css")

        assert b"--color-accent:" in response.content
        assert response["Cache-Control"] == "public, max-age=60"

    def test_another_content_has_another_address(self, branded: Any) -> None:
        before = brand.address(brand.ACCENT)
        branded.SITE_ACCENT = "20"

        assert brand.address(brand.ACCENT) != before

    def test_a_drawing_may_run_nothing_when_opened_by_itself(self, branded: Any, client: Client) -> None:
        response = client.get(brand.address(brand.LOGO))

        assert response.content == SVG
        assert response["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        assert response["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize("name", ["accent.css", "logo", "logo-dark", "other", "..%2f..%2fsettings"])
    @pytest.mark.django_db
    def test_what_there_is_not_is_not_found(self, client: Client, name: str) -> None:
        assert client.get(f"/brand/0123456789ab/{name}").status_code == 404

    def test_it_is_only_read(self, branded: Any, client: Client) -> None:
        assert client.post(brand.address(brand.LOGO)).status_code == 405

    @pytest.mark.parametrize("size", [0, brand.MAX_BYTES + 1])
    def test_a_picture_has_a_size(self, tmp_path: Path, size: int) -> None:
        (tmp_path / "x.png").write_bytes(b"x" * size)
        with pytest.raises(ValueError, match="512 KiB"):
            brand.picture(str(tmp_path / "x.png"))
