"""The audit log of an organisation: filtered, paged, as a file."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounting import audit, organisations
from tests.portal import scene as scenes
from tests.portal.reader import text_of


@pytest.fixture
def lab(scene: scenes.Scene) -> int:
    return scene.lab


class TestTheAuditLog:
    def test_is_filtered_and_paged_and_given_as_csv(self, lab: int, alice: Client, scene: scenes.Scene) -> None:
        for number in range(30):
            organisations.rename(lab, f"Lab {number}", actor=scene.alice)
        first = alice.get("/organisation/audit/?change=organisation.renamed", headers={"HX-Request": "true"})
        page = first.content.decode()
        assert "<html" not in page
        assert text_of(first).count("Organisation renamed") == 25
        older = re.search(r'href="([^"]+after=[^"]+)"', page)
        assert older is not None
        rest = alice.get(older[1].replace("&amp;", "&"))
        assert "Lab 0" in text_of(rest)
        rows = b"".join(alice.get("/organisation/audit.csv?change=organisation.renamed").streaming_content)  # type: ignore[attr-defined]
        lines = rows.decode().splitlines()
        assert len(lines) == 31
        assert lines[1].endswith(f",organisation.renamed,{scene.alice},name=Lab 29 was=Lab 28")
        assert "No change fits" in text_of(alice.get("/organisation/audit/?until=2001-01-01"))
        assert text_of(alice.get(f"/organisation/audit/?actor={scene.alice}")).count("Organisation renamed") >= 25

    @pytest.mark.parametrize(
        "query",
        [
            *({"change": "x"}, {"actor": "x"}, {"actor": "9" * 30}, {"since": "x"}, {"since": "0001-01-01"}),
            *({"until": "9999-12-31"}, {"after": "x"}, {"after": "1.2", "before": "1.2"}, {"after": "1"}),
            *({"change": "\x00"}, {"since": "2026-W01-1"}),
        ],
    )
    def test_bad_queries_are_named(self, lab: int, alice: Client, query: dict[str, str]) -> None:
        answer = alice.get("/organisation/audit/", query)
        assert answer.status_code == 400
        assert next(iter(query)) in text_of(answer)


def test_every_change_has_a_title() -> None:
    from portal.contexts.audit import CHANGE_TITLES

    assert set(CHANGE_TITLES) == set(audit.Change)
