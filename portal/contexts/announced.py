"""What changes soon: rate cards that are published and not in force yet, in a few words each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from accounting import tariff_queries
from accounting.rate_changes import RuleChange
from accounting.tariff_queries import Announcement
from portal.contexts import addresses
from portal.contexts.spans import ahead
from portal.numerals import localised

MOST = 3
MOST_CHANGES = 3


@dataclass(frozen=True, slots=True)
class Announced:
    """`changes` are the first prices that change, in words; `more` change besides."""

    backend: str
    name: str
    note: str
    starts_at: datetime
    ahead: str
    dearer: bool
    changes: tuple[str, ...]
    more: int
    href: str


def of(now: datetime) -> tuple[Announced, ...]:
    return tuple(_announced(one, now) for one in tariff_queries.announcements(None, now)[:MOST])


def _announced(one: Announcement, now: datetime) -> Announced:
    return Announced(
        backend=one.card.backend_name,
        name=one.card.name,
        note=one.card.note,
        starts_at=one.card.starts_at,
        ahead=ahead(one.card.starts_at, now),
        dearer=any(change.direction in ("dearer", "mixed") for change in one.changes),
        changes=_sentences(one.changes[:MOST_CHANGES]),
        more=len(one.changes[MOST_CHANGES:]),
        href=addresses.address("rate-card", one.card.backend_slug),
    )


def _sentences(changes: Sequence[RuleChange]) -> tuple[str, ...]:
    return tuple(_sentence(change) for change in changes)


def _sentence(change: RuleChange) -> str:
    percent = change.percent or Decimal(0)
    facts = {"rule": change.rule.name, "percent": localised(f"{abs(percent).normalize():f}")}
    if percent:
        if percent > 0:
            return _("%(rule)s: %(percent)s %% dearer") % facts
        return _("%(rule)s: %(percent)s %% cheaper") % facts
    return {
        "dearer": _("%(rule)s: dearer"),
        "cheaper": _("%(rule)s: cheaper"),
        "mixed": _("%(rule)s: dearer for some, cheaper for others"),
    }.get(change.direction, _("%(rule)s: the same price on other terms")) % facts
