"""Grants as rows of a table and as what expires next: what is left of each, what running jobs keep, until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby

from django.utils.translation import gettext as _

from accounting.queries import GrantView
from portal.contexts.outlook import rounded
from portal.contexts.spans import ahead

SOON = timedelta(days=14)
"""A grant that expires within this is pointed out."""
MOST_EXPIRIES = 4


@dataclass(frozen=True, slots=True)
class GrantRow:
    """`share` is what is left in percent, for the bar, its last part, `held_share` wide from `held_from`, what running
    jobs keep; `meter` says it in words; `ahead` when it expires. Of one that has `expired` only that part is left.
    """

    label: str
    kind: str
    scope: str
    amount: int
    remaining: int
    held: int
    share: str
    held_from: str
    held_share: str
    meter: str
    expires_at: datetime | None
    ahead: str
    soon: bool
    expired: bool


@dataclass(frozen=True, slots=True)
class Expiry:
    """What expires at one instant if nobody uses it before: `amount` of the grants named. `unused` is what of it will
    not have been used by then at the pace of the last weeks, in credits; None when no pace is known.
    """

    at: datetime
    ahead: str
    soon: bool
    amount: int
    labels: tuple[str, ...]
    unused: Decimal | None


@dataclass(frozen=True, slots=True)
class Expiries:
    """The next ones; `later` come after them. What `stays` never expires, of the grants named."""

    shown: tuple[Expiry, ...]
    later: int
    stays: int
    staying: tuple[str, ...]


def rows_of(grants: Sequence[GrantView], backends: Mapping[int, str], now: datetime) -> tuple[GrantRow, ...]:
    return tuple(_row(grant, backends, now) for grant in grants)


def expiries_of(grants: Sequence[GrantView], unused: Sequence[int], now: datetime) -> Expiries:
    """:param unused: of each grant, what will expire of it; empty when no pace is known."""
    lost = unused or [0] * len(grants)
    ending = [(grant.expires_at, grant, part) for grant, part in zip(grants, lost, strict=True) if grant.expires_at]
    coming = sorted(((at, grant, part) for at, grant, part in ending if at > now), key=lambda one: one[0])
    found = []
    for at, group in groupby(coming, key=lambda one: one[0]):
        together = list(group)
        found.append(
            Expiry(
                at=at,
                ahead=ahead(at, now),
                soon=at - now < SOON,
                amount=sum(grant.remaining for _at, grant, _part in together),
                labels=tuple(grant.label for _at, grant, _part in together),
                unused=rounded(sum(part for _at, _grant, part in together)) if unused else None,
            )
        )
    staying = [grant for grant in grants if grant.expires_at is None]
    return Expiries(
        shown=tuple(found[:MOST_EXPIRIES]),
        later=len(found[MOST_EXPIRIES:]),
        stays=sum(grant.remaining for grant in staying),
        staying=tuple(grant.label for grant in staying[:MOST_EXPIRIES]),
    )


def _row(grant: GrantView, backends: Mapping[int, str], now: datetime) -> GrantRow:
    permille, held = (part * 1000 // grant.amount for part in (grant.remaining, grant.held))
    expired = grant.expires_at is not None and grant.expires_at <= now
    return GrantRow(
        label=grant.label,
        kind=grant.kind,
        scope=_scope(grant, backends),
        amount=grant.amount,
        remaining=grant.remaining,
        held=grant.held,
        share=f"{max(permille, 5) / 10:.1f}",
        held_from=f"{(permille - held) / 10:.1f}",
        held_share=f"{held / 10:.1f}",
        meter=_meter(grant.label, permille // 10, held // 10 if grant.held else None),
        expires_at=grant.expires_at,
        ahead=ahead(grant.expires_at, now) if grant.expires_at and not expired else "",
        soon=grant.expires_at is not None and not expired and grant.expires_at - now < SOON,
        expired=expired,
    )


def _meter(label: str, percent: int, held: int | None) -> str:
    facts = {"label": label, "percent": percent, "held": held}
    if held is None:
        return _("%(percent)s %% of %(label)s left") % facts
    return _("%(percent)s %% of %(label)s left, %(held)s %% kept for running jobs") % facts


def _scope(grant: GrantView, backends: Mapping[int, str]) -> str:
    """What a grant may be spent on, in words; empty when it may be spent on anything."""
    names = [backends.get(pk, _("back end %(number)s") % {"number": pk}) for pk in grant.backends]
    facts = {"backends": _listed(names), "processes": _listed(grant.processes)}
    if names and grant.processes:
        return _("Only on %(backends)s for %(processes)s") % facts
    if names:
        return _("Only on %(backends)s") % facts
    return _("Only for %(processes)s") % facts if grant.processes else ""


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return _("%(names)s or %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
