"""The style guide: only where it is switched on, with every part, and every part's line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.test import Client

from tests.portal.reader import text_of

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
#: What pages are put together from; other parts belong to one subject or to the frame.
PARTS = (
    *("avatar", "badge", "breadcrumbs", "chart", "copy", "coverage", "empty", "fault", "filters", "hit", "kind"),
    *("meter", "newer_older", "notice", "page_head", "search_form", "skeleton", "state", "tabs", "used"),
)


def test_it_is_not_there_unless_switched_on(client: Client, db: None, settings: Any) -> None:
    settings.STYLEGUIDE = False

    assert client.get("/styleguide/").status_code == 404


def test_each_part_is_shown_with_its_line(client: Client, db: None) -> None:
    guide = client.get("/styleguide/").content.decode()

    assert [part for part in PARTS if f"components/{part}.html" not in guide] == []


def test_each_part_opens_with_what_it_takes() -> None:
    for path in (TEMPLATES / "components").glob("*.html"):
        first = path.read_text().partition("\n")[0]
        assert first.startswith("{% comment %}"), path.name
        assert "Variables:" in first, path.name


def test_mistakes_are_answered_beside_their_fields(client: Client, db: None) -> None:
    response = client.post("/styleguide/", {"name": "", "amount": "0", "email": "nobody"})
    page = response.content.decode()

    assert response.status_code == 422
    for name in ("name", "amount", "email", "agreed"):
        assert f'id="id_{name}_error"' in page
    assert 'aria-invalid="true"' in page
    assert "greater than or equal to 1" in text_of(response)
