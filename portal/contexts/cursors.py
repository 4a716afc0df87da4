"""Pages of a list by cursor: a place in its order instead of a count, so that every page costs the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from django.core.exceptions import BadRequest
from django.db.models import Model, Q, QuerySet

Item = TypeVar("Item", bound=Model)

PAGE_SIZE = 25
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST = 2**63 - 1
_LATEST = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the address says to go on: after (older than) or before (newer than) a row; at most one of them."""

    after: tuple[int, ...] = ()
    before: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """`after` is what the address of the next page says, `before` that of the one before; empty at the ends."""

    rows: Sequence[Item]
    after: str
    before: str


def read(query: Any) -> Place:
    """Read `after` and `before` of an address. :raises BadRequest: naming what is wrong with it."""
    after, before = (_numbers(query.get(name, ""), name) for name in ("after", "before"))
    if after and before:
        raise BadRequest("after and before exclude each other")
    return Place(after, before)


def page(rows: QuerySet[Item], keys: tuple[str, ...], place: Place, size: int = PAGE_SIZE) -> Page[Item]:
    """One page of the rows in descending order of `keys`, which together are unique. One query: a row more than shown
    tells whether it goes on.

    :raises BadRequest: the place is not one of this list.
    """
    wanted = place.before or place.after
    if wanted and len(wanted) != len(keys):
        raise BadRequest("after and before must be places that the list gave")
    if place.before:
        found = list(_beyond(rows, keys, place.before, "gt").order_by(*keys)[: size + 1])
        shown, older, newer = found[:size][::-1], bool(found), len(found) > size
    else:
        later = _beyond(rows, keys, place.after, "lt") if place.after else rows
        found = list(later.order_by(*(f"-{key}" for key in keys))[: size + 1])
        shown, older, newer = found[:size], len(found) > size, bool(place.after and found)
    return Page(shown, _written(shown[-1], keys) if older else "", _written(shown[0], keys) if newer else "")


def _beyond(rows: QuerySet[Item], keys: tuple[str, ...], place: tuple[int, ...], side: str) -> QuerySet[Item]:
    """Rows on that side of the place: the first key beyond it, or equal and the next one beyond it, and so on."""
    condition, equal = Q(), Q()
    for key, number in zip(keys, place, strict=True):
        value = _value(key, number)
        condition |= equal & Q(**{f"{key}__{side}": value})
        equal &= Q(**{key: value})
    return rows.filter(condition)


def _value(key: str, number: int) -> int | datetime:
    if not key.endswith("_at"):
        return number
    if not 0 <= number <= _LATEST:
        raise BadRequest("after and before must be places that the list gave")
    return _EPOCH + timedelta(microseconds=number)


def _written(row: Item, keys: tuple[str, ...]) -> str:
    values = [getattr(row, key) for key in keys]
    return ".".join(
        str((value - _EPOCH) // timedelta(microseconds=1)) if isinstance(value, datetime) else str(value)
        for value in values
    )


def _numbers(text: str, name: str) -> tuple[int, ...]:
    if not text:
        return ()
    parts = text.split(".")
    whole = text.isascii() and all(part.removeprefix("-").isdigit() for part in parts)
    if not whole or len(parts) > 4 or any(len(part) > 20 or abs(int(part)) > _LARGEST for part in parts):
        raise BadRequest(f"{name} must be a place that the list gave")
    return tuple(int(part) for part in parts)
