"""People and organisations: made at first sight, never merged by anything but (issuer, sub)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from accounting.errors import MembershipInvalid, NotFound
from accounting.models import Account, Member, Organisation, Person


@dataclass(frozen=True, slots=True)
class PersonView:
    pk: int
    issuer: str
    sub: str
    plan: str
    current_organisation: int
    personal_organisation: int


@dataclass(frozen=True, slots=True)
class Membership:
    organisation: int
    name: str
    role: str
    personal: bool
    current: bool


def ensure_person(issuer: str, sub: str) -> PersonView:
    """The person, made with a personal organisation and its wallet when unknown. Safe to race (invariant O1)."""
    return find_person(issuer, sub) or _make_person(issuer, sub)


def ensure_people(identities: Iterable[tuple[str, str]]) -> None:
    """`ensure_person` for many, in a fixed order so that two batches with the same newcomers cannot deadlock."""
    for issuer, sub in sorted(set(identities)):
        ensure_person(issuer, sub)


def find_person(issuer: str, sub: str) -> PersonView | None:
    person = Person.objects.filter(issuer=issuer, sub=sub).first()
    return _view(person) if person else None


def _view(person: Person) -> PersonView:
    return PersonView(
        pk=person.pk,
        issuer=person.issuer,
        sub=person.sub,
        plan=person.plan,
        current_organisation=person.current_organisation_id,
        personal_organisation=person.personal_organisation_id,
    )


def category_of(organisation: int) -> str:
    """The class of the organisation, as rating rules see it (`organisation_class`)."""
    return Organisation.objects.filter(pk=organisation).values_list("category", flat=True).first() or ""


def _make_person(issuer: str, sub: str) -> PersonView:
    try:
        with transaction.atomic():
            home = _make_organisation("Personal", personal=True)
            person = Person.objects.create(
                issuer=issuer, sub=sub, personal_organisation=home, current_organisation=home
            )
            Member.objects.create(organisation=home, person=person, role=Member.Role.OWNER)
            return _view(person)
    except IntegrityError:  # somebody else made the same person first; theirs stands, ours is rolled back
        return _view(Person.objects.get(issuer=issuer, sub=sub))


def _make_organisation(name: str, *, personal: bool = False, category: str = "") -> Organisation:
    organisation = Organisation.objects.create(name=name, personal=personal, category=category)
    _open_wallet(organisation.pk)
    return organisation


def _open_wallet(organisation: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_account(%s, %s, NULL, '')", [Account.Kind.WALLET, organisation])


def create_organisation(name: str, owner: int, *, category: str = "") -> int:
    """An organisation with its wallet, owned by that person. Returns the id that jobs name as `orgId`."""
    with transaction.atomic():
        organisation = _make_organisation(name, category=category)
        add_member(organisation.pk, owner, Member.Role.OWNER)
    return organisation.pk


def add_member(organisation: int, person: int, role: str) -> None:
    """Idempotent; a second call changes the role.

    :raises MembershipInvalid: no such role, or a personal organisation, which has one member for ever.
    """
    if role not in Member.Role.values:
        raise MembershipInvalid(f"the role must be one of {', '.join(Member.Role.values)}", field="role")
    if Organisation.objects.filter(pk=organisation, personal=True).exists():
        raise MembershipInvalid("a personal organisation has one member: create an organisation to share credits")
    Member.objects.update_or_create(organisation_id=organisation, person_id=person, defaults={"role": role})


def memberships(person: int) -> Sequence[Membership]:
    """Where the person may spend credits, the personal organisation first."""
    rows = Member.objects.filter(person_id=person).select_related("organisation", "person")
    ordered = sorted(rows, key=lambda m: (not m.organisation.personal, m.organisation.name, m.organisation_id))
    return [
        Membership(
            organisation=m.organisation_id,
            name=m.organisation.name,
            role=m.role,
            personal=m.organisation.personal,
            current=m.organisation_id == m.person.current_organisation_id,
        )
        for m in ordered
    ]


def switch_organisation(person: int, organisation: int) -> None:
    """Makes it pay for jobs that name no organisation.

    :raises NotFound: the person is not a member (said like an organisation that does not exist).
    """
    if not Member.objects.filter(person_id=person, organisation_id=organisation).exists():
        raise NotFound(f"there is no organisation {organisation} of which you are a member", field="organisation")
    Person.objects.filter(pk=person).update(current_organisation=organisation)


def accepted_terms(person: int) -> tuple[str, datetime | None]:
    """The version of the terms of use that the person accepted last, and when; ("", None) when none."""
    version, at = Person.objects.values_list("terms_version", "terms_accepted_at").get(pk=person)
    return version, at


def accept_terms(person: int, version: str) -> None:
    """Idempotent: a version accepted again keeps its first instant, which is the database's (L7)."""
    Person.objects.filter(pk=person).exclude(terms_version=version).update(
        terms_version=version, terms_accepted_at=Now()
    )


def set_plan(person: int, plan: str) -> None:
    Person.objects.filter(pk=person).update(plan=plan)
