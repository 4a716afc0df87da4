"""Who may do what in an organisation, and who can never leave it (M1, M2, M7)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction

from accounting import limits, members, organisations, projects, roles
from accounting.errors import MembershipInvalid, NotFound, NotPermitted, OrganisationInvalid, PaymentRequired
from accounting.limits import Move, Terms
from accounting.models import AuditEntry, Limit, Member, Organisation, Person, Project, UsageReport
from accounting.roles import PERMISSIONS, ROLES, Action
from tests.accounting.books import booked, micros, prove
from tests.accounting.hold_books import reserve
from tests.conftest import ISSUER, Federation

Deed = Callable[[Federation, int], object]


def newcomer(name: str = "dora") -> int:
    return organisations.ensure_person(ISSUER, f"{name}@egi.eu").pk


def a_project(federation: Federation) -> int:
    return limits.create_project(federation.lab, "alps", "Alps")


def give_budget(federation: Federation) -> int:
    project = a_project(federation)
    limits.set_limit(federation.lab, micros(10), period="month", project=project)
    return project


DEEDS: dict[Action, list[Deed]] = {
    Action.MANAGE_MEMBERS: [
        lambda f, me: members.add(f.lab, newcomer(), "viewer", actor=me),
        lambda f, me: members.change_role(f.lab, f.alice.pk, "viewer", actor=me),
        lambda f, me: members.remove(f.lab, f.alice.pk, actor=me),
    ],
    Action.MANAGE_PROJECTS: [
        lambda f, me: projects.create(f.lab, "dunes", "Dunes", actor=me),
        lambda f, me: projects.rename(f.lab, a_project(f), "High Alps", actor=me),
        lambda f, me: projects.archive(f.lab, a_project(f), actor=me),
        lambda f, me: limits.change(f.lab, 1, Terms("month", project=a_project(f)), actor=me),
    ],
    Action.MANAGE_LIMITS: [
        lambda f, me: limits.change(f.lab, 1, Terms("month"), actor=me),
        lambda f, me: limits.change(f.lab, 1, Terms("job", person=f.alice.pk), actor=me),
    ],
    Action.TRANSFER: [lambda f, me: limits.move(f.lab, Move("month", give_budget(f), None, 1, "why"), actor=me)],
    Action.RENAME: [lambda f, me: organisations.rename(f.lab, "Geo Laboratory", actor=me)],
    Action.HAND_OVER: [lambda f, me: members.hand_over(f.lab, f.alice.pk, actor=me)],
    Action.CLOSE: [lambda f, me: organisations.close(f.lab, actor=me)],
}
"""Every verb that a role may be refused."""


class TestTheTable:
    def test_names_the_roles_that_there_are(self) -> None:
        assert list(ROLES) == Member.Role.values
        assert all(allowed <= set(ROLES) for allowed in PERMISSIONS.values())
        assert set(PERMISSIONS) == set(Action)

    def test_is_what_the_database_says_of_paying(self, db: None) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT member_pays(role) FROM unnest(%s) WITH ORDINALITY AS t(role, i) ORDER BY i", [list(ROLES)]
            )
            assert [row[0] for row in cursor.fetchall()] == [roles.allows(role, Action.RUN_JOBS) for role in ROLES]

    def test_lets_nobody_give_a_role_above_their_own(self) -> None:
        assert roles.assignable("owner") == ROLES
        assert roles.assignable("manager") == ("manager", "developer", "viewer")
        assert roles.assignable("developer") == roles.assignable("viewer") == ()

    def test_has_a_deed_for_every_action_that_somebody_may_not_do(self) -> None:
        tried_elsewhere = {Action.SEE, Action.RUN_JOBS}  # the pages, and `TestAViewer` below
        assert set(DEEDS) | tried_elsewhere == set(Action)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("action", "deed"), [(action, deed) for action, deeds in DEEDS.items() for deed in deeds])
def test_a_role_may_do_what_the_table_says_and_nothing_else(
    federation: Federation, role: str, action: Action, deed: Deed
) -> None:
    me = newcomer("me")
    organisations.add_member(federation.lab, me, role)
    a_project(federation)
    if roles.allows(role, action):
        deed(federation, me)
    else:
        before = state(federation.lab)
        with pytest.raises(NotPermitted) as refused:
            deed(federation, me)
        assert refused.value.extra["role"] == role
        assert refused.value.extra["needed"] == [one for one in ROLES if roles.allows(one, action)]
        assert state(federation.lab) == before
        assert not AuditEntry.objects.filter(actor=me).exists()


def state(lab: int) -> object:
    """What the deeds would change, but what the operators did for them."""
    return (
        members.of(lab),
        Organisation.objects.values("name", "closed_at").get(pk=lab),
        list(Limit.objects.filter(amount=1).values()),
        list(Project.objects.filter(organisation=lab).order_by("pk").values("slug", "name", "archived_at")),
    )


@pytest.mark.parametrize("deed", [deed for deeds in DEEDS.values() for deed in deeds])
def test_a_stranger_finds_no_organisation_to_change(federation: Federation, deed: Deed) -> None:
    a_project(federation)
    with pytest.raises(NotFound):
        deed(federation, federation.charlie.pk)


class TestAManager:
    @pytest.fixture
    def me(self, federation: Federation) -> int:
        me = newcomer("me")
        organisations.add_member(federation.lab, me, "manager")
        return me

    def test_makes_no_owner_and_touches_none(self, federation: Federation, me: int) -> None:
        deeds: list[Callable[[], object]] = [
            lambda: members.add(federation.lab, newcomer(), "owner", actor=me),
            lambda: members.change_role(federation.lab, federation.alice.pk, "owner", actor=me),
            lambda: members.change_role(federation.lab, federation.bob.pk, "viewer", actor=me),
            lambda: members.change_role(federation.lab, me, "owner", actor=me),
            lambda: members.remove(federation.lab, federation.bob.pk, actor=me),
        ]
        for deed in deeds:
            with pytest.raises(NotPermitted):
                deed()
        assert members.role_of(federation.lab, federation.bob.pk) == "owner"


class TestAViewer:
    @pytest.fixture(autouse=True)
    def _viewer(self, federation: Federation) -> None:
        organisations.switch_organisation(federation.alice.pk, federation.lab)
        members.change_role(federation.lab, federation.alice.pk, "viewer")

    def test_pays_for_jobs_alone_although_the_organisation_is_chosen(self, federation: Federation) -> None:
        federation.grant(federation.lab, micros(100), "lab")
        booked(federation, "k-1", organisation=None)
        report = UsageReport.objects.get()
        assert (report.organisation_id, report.organisation_refused) == (federation.alice.personal_organisation, False)
        prove()

    def test_is_said_to_pay_alone(self, federation: Federation) -> None:
        """What openEO clients and back ends are shown is what would pay."""
        found = organisations.find_person(ISSUER, federation.alice.sub)
        assert found is not None
        assert (found.current_organisation, found.payer) == (federation.lab, federation.alice.personal_organisation)
        members.change_role(federation.lab, federation.alice.pk, "developer")
        assert organisations.ensure_person(ISSUER, federation.alice.sub).payer == federation.lab

    def test_is_told_when_a_job_names_the_organisation(self, federation: Federation) -> None:
        booked(federation, "k-1", organisation=federation.lab)
        report = UsageReport.objects.get()
        assert (report.organisation_id, report.organisation_refused) == (federation.alice.personal_organisation, True)

    def test_opens_no_hold_on_its_credits(self, federation: Federation) -> None:
        federation.grant(federation.lab, micros(100), "lab")
        with pytest.raises(Exception, match="only a viewer"):
            reserve(federation, payer={"organisation": federation.lab})
        with pytest.raises(PaymentRequired):  # its own organisation has nothing
            reserve(federation, "h-2")

    def test_every_other_role_is_paid_for(self, federation: Federation) -> None:
        for role in ROLES[:-1]:
            organisations.add_member(federation.lab, federation.bob.pk, "owner")
            members.change_role(federation.lab, federation.alice.pk, role)
            booked(federation, f"k-{role}", job_id=f"j-{role}", execution_id=role, organisation=None)
        assert set(UsageReport.objects.values_list("organisation_id", flat=True)) == {federation.lab}

    def test_whose_job_runs_goes_on_at_the_organisations_cost(self, federation: Federation) -> None:
        federation.grant(federation.lab, micros(100), "lab")
        members.change_role(federation.lab, federation.alice.pk, "developer")
        reserve(federation, payer={"organisation": federation.lab})
        members.change_role(federation.lab, federation.alice.pk, "viewer")
        booked(federation, "k-1", organisation=federation.lab)
        report = UsageReport.objects.get()
        assert (report.organisation_id, report.organisation_refused) == (federation.lab, False)
        prove()


class TestLeaving:
    def test_brings_people_back_to_their_own_credits(self, federation: Federation) -> None:
        deeds: list[Callable[[], object]] = [
            lambda: members.leave(federation.lab, federation.alice.pk),
            lambda: members.remove(federation.lab, federation.alice.pk, actor=federation.bob.pk),
        ]
        for deed in deeds:
            organisations.add_member(federation.lab, federation.alice.pk, "developer")
            organisations.switch_organisation(federation.alice.pk, federation.lab)
            deed()
            person = Person.objects.get(pk=federation.alice.pk)
            assert person.current_organisation_id == federation.alice.personal_organisation
            assert members.role_of(federation.lab, federation.alice.pk) is None

    def test_is_not_for_the_last_owner(self, federation: Federation) -> None:
        bob = federation.bob.pk
        deeds: list[Callable[[], object]] = [
            lambda: members.leave(federation.lab, bob),
            lambda: members.remove(federation.lab, bob),
            lambda: members.remove(federation.lab, bob, actor=bob),
            lambda: members.change_role(federation.lab, bob, "manager", actor=bob),
            lambda: organisations.add_member(federation.lab, bob, "viewer"),
        ]
        for deed in deeds:
            with pytest.raises(MembershipInvalid, match="last owner"):
                deed()
        members.hand_over(federation.lab, federation.alice.pk, actor=bob)
        assert [(one.person, one.role) for one in members.of(federation.lab)] == [
            (federation.alice.pk, "owner"), (bob, "manager"),
        ]  # fmt: skip
        members.leave(federation.lab, bob)

    def test_a_personal_organisation_is_not_possible(self, federation: Federation) -> None:
        home = federation.alice.personal_organisation
        with pytest.raises(MembershipInvalid):
            members.leave(home, federation.alice.pk)
        with pytest.raises(MembershipInvalid):
            members.remove(home, federation.alice.pk, actor=federation.alice.pk)
        with pytest.raises(MembershipInvalid):
            members.join(home, federation.bob.pk, "viewer", invitation=1)

    def test_what_is_not_there_is_not_found(self, federation: Federation) -> None:
        with pytest.raises(NotFound):
            members.remove(federation.lab, federation.charlie.pk)
        with pytest.raises(NotFound):
            members.hand_over(federation.lab, federation.charlie.pk, actor=federation.bob.pk)
        with pytest.raises(NotFound):
            members.leave(4711, federation.bob.pk)
        with pytest.raises(MembershipInvalid):
            members.hand_over(federation.lab, federation.bob.pk, actor=federation.bob.pk)
        with pytest.raises(MembershipInvalid):
            members.join(federation.lab, federation.alice.pk, "viewer", invitation=1)


class TestTheDatabase:
    """Whoever writes past the verbs (M2)."""

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM accounting_member WHERE organisation_id = %s",
            "UPDATE accounting_member SET role = 'viewer' WHERE organisation_id = %s",
        ],
    )
    def test_keeps_an_owner(self, federation: Federation, statement: str) -> None:
        self.refuse(statement, federation.lab, "has no owner left")

    def test_keeps_a_personal_organisation_personal(self, federation: Federation) -> None:
        statement = (
            "INSERT INTO accounting_member (organisation_id, person_id, role)"
            " SELECT %s, max(id), 'viewer' FROM accounting_person"
        )
        self.refuse(statement, federation.alice.personal_organisation, "is personal")

    def refuse(self, statement: str, organisation: int, because: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            with pytest.raises(IntegrityError, match=because), transaction.atomic():
                cursor.execute(statement, [organisation])


class TestClosing:
    def test_waits_for_credits_and_jobs(self, federation: Federation) -> None:
        federation.grant(federation.lab, micros(10), "lab")
        with pytest.raises(OrganisationInvalid, match="used up"):
            organisations.close(federation.lab, actor=federation.bob.pk)
        with pytest.raises(OrganisationInvalid):
            organisations.close(federation.bob.personal_organisation, actor=federation.bob.pk)

    def test_leaves_people_with_what_there_was_to_see(self, federation: Federation) -> None:
        organisations.switch_organisation(federation.alice.pk, federation.lab)
        organisations.close(federation.lab, actor=federation.bob.pk)
        assert {one.role for one in members.of(federation.lab)} == {"viewer"}
        assert Organisation.objects.get(pk=federation.lab).closed_at is not None
        booked(federation, organisation=federation.lab)
        assert UsageReport.objects.get().organisation_id == federation.alice.personal_organisation
        deeds: list[Callable[[], object]] = [
            lambda: organisations.add_member(federation.lab, federation.charlie.pk, "owner"),
            lambda: members.change_role(federation.lab, federation.bob.pk, "owner"),
            lambda: members.join(federation.lab, federation.charlie.pk, "viewer", invitation=1),
        ]
        for deed in deeds:
            with pytest.raises(MembershipInvalid, match="closed"):
                deed()
        members.leave(federation.lab, federation.bob.pk)
        prove()
