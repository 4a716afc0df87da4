"""When a person has what is personal erased: what stands in the way, and what becomes of their place in organisations.

The ledger keeps (issuer, sub), which says nothing about the person, and everything booked under it: usage that is
reported late is charged where it belongs (decision 0017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models.functions import Now

from accounting import audit, members, queries
from accounting.audit import Change
from accounting.errors import ErasureBlocked
from accounting.models import Member, Notice, OpenHold, Organisation

ERASED = frozenset({"accounting.Member", "accounting.Notice"})
KEPT = {
    "accounting.AuditEntry": "append-only; who changed what of an organisation, as a number",
    "accounting.Hold": "append-only; what was held for a job is part of what it cost",
    "accounting.Job": "whoever paid must be able to check what for",
    "accounting.JobWorkload": "what jobs like it will cost is learnt from it",
    "accounting.Limit": "written by its functions only; says how much a number may spend",
    "accounting.Observation": "what jobs like it will cost is learnt from it",
    "accounting.SpendCell": "sums of the ledger",
    "accounting.StoredEstimate": "how good estimates are is judged by it",
    "accounting.UsageReport": "append-only; what the charge was computed from",
    "portal.Invitation": "those of the person are deleted by the portal; those that they sent name others",
    "portal.User": "emptied by the portal",
}
"""Models with a row about a person, by the number that says nothing about them, and why they stay. A test asks for each
new one."""


@dataclass(frozen=True, slots=True)
class Place:
    """An organisation that the person would leave. `spendable` is in micro-credits, of one that nobody else is in."""

    organisation: int
    name: str
    personal: bool
    spendable: int = 0


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an erasure would mean now.

    `orphans` have other members and no other owner, `open_holds` keep credits for jobs of the person: both stand in the
    way. `given_up` are the organisations in which nobody is left to use what they have, the personal one first.
    """

    open_holds: int
    orphans: Sequence[Place]
    given_up: Sequence[Place]

    @property
    def blocked(self) -> bool:
        return bool(self.open_holds or self.orphans)

    @property
    def credits(self) -> int:
        """Micro-credits that nobody can use any more."""
        return sum(max(0, place.spendable) for place in self.given_up)


def outlook(person: int) -> Outlook:
    """What stands in the way and what would be given up."""
    rows = Member.objects.filter(person_id=person).select_related("organisation")
    mine = sorted(rows, key=lambda row: (not row.organisation.personal, row.organisation.name, row.organisation_id))
    others = Member.objects.filter(organisation_id__in=[row.organisation_id for row in mine]).exclude(person_id=person)
    shared, owned = set(), set()
    for organisation, role in others.values_list("organisation_id", "role"):
        shared.add(organisation)
        if role == Member.Role.OWNER:
            owned.add(organisation)
    return Outlook(
        open_holds=OpenHold.objects.filter(hold__person_id=person).count(),
        orphans=[
            _place(row.organisation)
            for row in mine
            if row.role == Member.Role.OWNER and row.organisation_id in shared - owned
        ],
        given_up=[
            _place(row.organisation, queries.balance(row.organisation_id).spendable)
            for row in mine
            if row.organisation_id not in shared
        ],
    )


def erase(person: int) -> None:
    """Take the person out of every shared organisation and delete what they were told. Again: nothing changes.

    The personal organisation stays theirs; one in which nobody is left is closed and loses its name.

    :raises ErasureBlocked: a hold of theirs is open, or an organisation would be left to members without an owner.
    """
    with transaction.atomic():
        places = Member.objects.filter(person_id=person, organisation__personal=False)
        shared = list(places.order_by("organisation_id").values_list("organisation_id", flat=True))
        # In a fixed order: of two owners who go at once, the second sees that the first is gone.
        for organisation in shared:
            members.lock(organisation)
        found = outlook(person)
        if found.blocked:
            raise ErasureBlocked("open holds end first, and organisations with other members get another owner")
        alone = {place.organisation for place in found.given_up}
        for organisation in shared:
            if organisation in alone:
                _close(organisation, person)
            members.leave(organisation, person)
        Notice.objects.filter(person_id=person).delete()


def _close(organisation: int, person: int) -> None:
    """Nobody is left in it. Late usage that names it is paid by the person, as a stranger's (U2)."""
    if Organisation.objects.filter(pk=organisation, closed_at=None).update(closed_at=Now()):
        audit.record(organisation, Change.CLOSED, person)
    Organisation.objects.filter(pk=organisation).update(name=f"Organisation {organisation}")


def _place(row: Organisation, spendable: int = 0) -> Place:
    return Place(row.pk, row.name, row.personal, spendable)
