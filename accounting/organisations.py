"""People and organisations: made at first sight, never merged by anything but (issuer, sub)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now

from accounting import audit, members
from accounting.audit import Change
from accounting.errors import NotFound, OrganisationInvalid
from accounting.models import Account, Member, Organisation, Person
from accounting.roles import PERMISSIONS, Action

NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class PersonView:
    """`payer` pays for jobs that name no organisation: the current one, or the personal one of a viewer there (M1)."""

    pk: int
    issuer: str
    sub: str
    plan: str
    current_organisation: int
    personal_organisation: int
    payer: int


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
    place = Member.objects.filter(organisation=OuterRef("current_organisation"), person=OuterRef("pk"))
    paid = Exists(place.filter(role__in=PERMISSIONS[Action.RUN_JOBS]))
    person = Person.objects.filter(issuer=issuer, sub=sub).annotate(paid=paid).first()
    return _view(person, person.paid) if person else None


def _view(person: Person, paid: bool) -> PersonView:
    return PersonView(
        pk=person.pk,
        issuer=person.issuer,
        sub=person.sub,
        plan=person.plan,
        current_organisation=person.current_organisation_id,
        personal_organisation=person.personal_organisation_id,
        payer=person.current_organisation_id if paid else person.personal_organisation_id,
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
            return _view(person, paid=True)
    except IntegrityError:  # somebody else made the same person first; theirs stands, ours is rolled back
        known = find_person(issuer, sub)
        if known is None:
            raise
        return known


def _make_organisation(name: str, *, personal: bool = False, category: str = "") -> Organisation:
    organisation = Organisation.objects.create(name=name, personal=personal, category=category)
    _open_wallet(organisation.pk)
    return organisation


def _open_wallet(organisation: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_account(%s, %s, NULL, '')", [Account.Kind.WALLET, organisation])


def create_organisation(name: str, owner: int, *, category: str = "", actor: int | None = None) -> int:
    """An organisation with its wallet, owned by that person. Returns the id that jobs name as `orgId`.

    :raises OrganisationInvalid: the name is empty or too long.
    """
    with transaction.atomic():
        organisation = _make_organisation(_name(name), category=category)
        Member.objects.create(organisation=organisation, person_id=owner, role=Member.Role.OWNER)
        audit.record(organisation.pk, Change.CREATED, actor, {"owner": owner, "name": organisation.name})
    return organisation.pk


def add_member(organisation: int, person: int, role: str) -> None:
    """By the operators: see `members.add`."""
    members.add(organisation, person, role)


def rename(organisation: int, name: str, *, actor: int | None = None) -> None:
    """Nothing is written when that is its name.

    :raises OrganisationInvalid: an empty or too long name, a personal or a closed organisation.
    :raises NotFound, NotPermitted: see `members.require`.
    """
    wanted = _name(name)
    with transaction.atomic():
        found = members.lock(organisation)
        members.require(organisation, actor, Action.RENAME)
        if found.personal or found.closed_at:
            raise OrganisationInvalid("a personal or closed organisation keeps its name", field="name")
        if found.name != wanted:
            Organisation.objects.filter(pk=organisation).update(name=wanted)
            audit.record(organisation, Change.RENAMED, actor, {"was": found.name, "name": wanted})


def close(organisation: int, *, actor: int | None = None) -> None:
    """For good: it pays for no more jobs, and everybody in it can only look back, as a viewer (M7).

    :raises OrganisationInvalid: it is personal or closed, jobs of it still run, it has credits left or owes some.
    :raises NotFound, NotPermitted: see `members.require`.
    """
    with transaction.atomic():
        found = members.lock(organisation)
        members.require(organisation, actor, Action.CLOSE)
        if found.personal or found.closed_at:
            raise OrganisationInvalid("a personal or closed organisation cannot be closed", field="organisation")
        # A hold that is being opened meanwhile was allowed to, and will be paid: it decides for itself (U2).
        wallet = Account.objects.get(organisation_id=organisation)
        if wallet.holds or wallet.posted:
            raise OrganisationInvalid("running jobs end first, credits are used up and debts paid", field="credits")
        Organisation.objects.filter(pk=organisation).update(closed_at=Now())
        Member.objects.filter(organisation_id=organisation).update(role=Member.Role.VIEWER)
        Person.objects.filter(current_organisation_id=organisation).update(
            current_organisation=F("personal_organisation")
        )
        audit.record(organisation, Change.CLOSED, actor)


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise OrganisationInvalid(f"a name has 1 to {NAME_LENGTH} printable characters", field="name")
    return name


@dataclass(frozen=True, slots=True)
class OrganisationView:
    id: int
    name: str
    personal: bool
    category: str
    created_at: datetime
    closed_at: datetime | None
    suspended_at: datetime | None


def find_organisation(organisation: int) -> OrganisationView:
    """:raises NotFound: there is none."""
    found = Organisation.objects.filter(pk=organisation).first()
    if found is None:
        raise NotFound(f"there is no organisation {organisation}", field="organisation")
    return OrganisationView(
        found.pk, found.name, found.personal, found.category, found.created_at, found.closed_at, found.suspended_at
    )


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
