"""Pages by cursor: together they are the whole list, in order, none twice, from either end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import BadRequest
from django.http import QueryDict

from accounting import organisations
from accounting.models import Notice
from portal.contexts import cursors
from portal.contexts.cursors import Place

START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = ("created_at", "id")


@pytest.fixture
def notices(db: None) -> list[int]:
    """Thirteen rows of which several share an instant, newest first."""
    person = organisations.ensure_person("https://aai.example.org", "somebody").pk
    for number in range(13):
        notice = Notice.objects.create(person_id=person, kind="k", cause=str(number))
        Notice.objects.filter(pk=notice.pk).update(created_at=START + timedelta(days=number // 4))
    return list(Notice.objects.order_by("-created_at", "-id").values_list("pk", flat=True))


def walk(step: str, first: Place) -> list[list[int]]:
    found, place = [], first
    while True:
        page = cursors.page(Notice.objects.all(), KEYS, place, size=5)
        found.append([row.pk for row in page.rows])
        written = getattr(page, step)
        if not written:
            return found
        place = cursors.read(QueryDict(f"{step}={written}"))


def test_forward_and_back_are_the_same_list(notices: list[int]) -> None:
    pages = walk("after", Place())
    assert [pk for page in pages for pk in page] == notices
    assert [len(page) for page in pages] == [5, 5, 3]

    last = cursors.page(Notice.objects.all(), KEYS, cursors.read(QueryDict(f"after={_place(notices[9])}")), size=5)
    back = walk("before", cursors.read(QueryDict(f"before={last.before}")))
    assert [pk for page in reversed(back) for pk in page] == notices[:10]


def _place(pk: int) -> str:
    row = Notice.objects.get(pk=pk)
    return f"{(row.created_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)}.{pk}"


def test_the_ends_lead_nowhere(notices: list[int]) -> None:
    first = cursors.page(Notice.objects.all(), KEYS, Place(), size=50)

    assert (len(first.rows), first.after, first.before) == (13, "", "")


def test_an_empty_list_has_no_places(db: None) -> None:
    assert cursors.page(Notice.objects.all(), KEYS, Place()) == cursors.Page([], "", "")


@pytest.mark.parametrize(
    "query",
    [
        *("after=x", "after=1.", "after=.", "before=1.2.3.4.5", "after=1&before=2", "after=\uff19", "after=1e3"),
        *(f"after={2**63}.1", "after=" + "9" * 400, "after=%00"),
    ],
)
def test_what_is_no_place_is_refused(query: str) -> None:
    with pytest.raises(BadRequest):
        cursors.read(QueryDict(query))


@pytest.mark.parametrize(
    "place", [Place(after=(1,)), Place(after=(1, 2, 3)), Place(before=(2**62, 1)), Place(after=(-(2**62), 1))]
)
def test_a_place_of_another_list_is_refused(db: None, place: Place) -> None:
    with pytest.raises(BadRequest):
        cursors.page(Notice.objects.all(), KEYS, place)
