"""People and organisations (invariant O1)."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from accounting import ledger, organisations
from accounting.errors import MembershipInvalid, NotFound, OrganisationInvalid
from accounting.models import Account, Member, Organisation, Person
from tests.accounting.books import rows
from tests.conftest import ISSUER, Federation


class TestAPerson:
    def test_is_made_with_a_personal_organisation_and_its_wallet(self, db: None) -> None:
        person = organisations.ensure_person(ISSUER, "dora@egi.eu")
        assert (person.issuer, person.sub, person.plan) == (ISSUER, "dora@egi.eu", "free")
        assert person.current_organisation == person.personal_organisation
        (home,) = organisations.memberships(person.pk)
        assert (home.organisation, home.role, home.personal, home.current) == (
            person.personal_organisation, "owner", True, True,
        )  # fmt: skip
        assert Account.objects.get(pk=ledger.wallet(person.personal_organisation)).posted == 0

    def test_is_the_same_every_time(self, db: None) -> None:
        first = organisations.ensure_person(ISSUER, "dora@egi.eu")
        before = rows()
        assert organisations.ensure_person(ISSUER, "dora@egi.eu") == first
        assert organisations.find_person(ISSUER, "dora@egi.eu") == first
        assert rows() == before

    def test_is_one_issuer_and_one_sub_never_less(self, db: None) -> None:
        """Money 12: never an e-mail, never a sub alone, never in another case."""
        people = {
            organisations.ensure_person(issuer, sub).pk
            for issuer in (ISSUER, "https://other.example.org")
            for sub in ("dora@egi.eu", "Dora@egi.eu")
        }
        assert len(people) == 4

    def test_that_nobody_has_seen_is_not_found(self, db: None) -> None:
        assert organisations.find_person(ISSUER, "nobody") is None

    def test_needs_a_sub(self, db: None) -> None:
        home = Organisation.objects.create(name="Home", personal=True)
        with pytest.raises(IntegrityError, match="person_must_have_a_sub"), transaction.atomic():
            Person.objects.create(issuer=ISSUER, sub="", personal_organisation=home, current_organisation=home)

    def test_may_be_given_a_plan(self, federation: Federation) -> None:
        organisations.set_plan(federation.alice.pk, "partner")
        assert organisations.ensure_person(ISSUER, federation.alice.sub).plan == "partner"
        assert organisations.ensure_person(ISSUER, federation.bob.sub).plan == "free"


class TestAnOrganisation:
    def test_is_made_with_a_wallet_and_an_owner(self, federation: Federation) -> None:
        pk = organisations.create_organisation("Forest Lab", federation.charlie.pk, category="academic")
        made = Organisation.objects.get(pk=pk)
        assert (made.name, made.category, made.personal) == ("Forest Lab", "academic", False)
        assert Member.objects.get(organisation_id=pk).role == "owner"
        assert ledger.wallet(pk)

    def test_needs_a_name(self, federation: Federation) -> None:
        before = rows()
        for name in ("", "  ", "x" * 101, "a\x00b"):
            with pytest.raises(OrganisationInvalid):
                organisations.create_organisation(name, federation.alice.pk)
        assert rows() == before


class TestMembership:
    def test_lists_the_personal_organisation_first_then_by_name(self, federation: Federation) -> None:
        organisations.create_organisation("Zoo", federation.alice.pk)
        organisations.create_organisation("Archive", federation.alice.pk)
        listed = organisations.memberships(federation.alice.pk)
        assert [(m.name, m.role) for m in listed] == [
            ("Personal", "owner"), ("Archive", "owner"), ("Geo Lab", "developer"), ("Zoo", "owner"),
        ]  # fmt: skip

    def test_is_given_once_and_a_second_time_changes_the_role(self, federation: Federation) -> None:
        organisations.add_member(federation.lab, federation.alice.pk, "manager")
        assert [m.role for m in Member.objects.filter(person_id=federation.alice.pk, organisation=federation.lab)] == [
            "manager"
        ]

    @pytest.mark.parametrize("role", ["", "admin", "OWNER"])
    def test_is_in_a_role_that_exists(self, federation: Federation, role: str) -> None:
        with pytest.raises(MembershipInvalid) as refused:
            organisations.add_member(federation.lab, federation.charlie.pk, role)
        assert refused.value.field == "role"

    def test_of_a_personal_organisation_is_not_given_to_others(self, federation: Federation) -> None:
        with pytest.raises(MembershipInvalid):
            organisations.add_member(federation.bob.personal_organisation, federation.alice.pk, "viewer")


class TestTheCurrentOrganisation:
    def test_is_any_of_which_the_person_is_a_member(self, federation: Federation) -> None:
        organisations.switch_organisation(federation.alice.pk, federation.lab)
        listed = organisations.memberships(federation.alice.pk)
        assert [m.organisation for m in listed if m.current] == [federation.lab]
        organisations.switch_organisation(federation.alice.pk, federation.alice.personal_organisation)
        assert organisations.ensure_person(ISSUER, federation.alice.sub) == federation.alice

    @pytest.mark.parametrize("exists", [True, False])
    def test_is_never_one_of_strangers_which_looks_like_none_at_all(self, federation: Federation, exists: bool) -> None:
        target = federation.lab if exists else 4711
        with pytest.raises(NotFound, match=f"no organisation {target} of which you are a member"):
            organisations.switch_organisation(federation.charlie.pk, target)
