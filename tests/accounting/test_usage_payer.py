"""Who pays for a report (invariants O1, U2, U7; design, Money 11 and 12)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from accounting import organisations, outbox, queries, usage
from accounting.models import Account, Job, Member, Organisation, OutboxEvent, Person, QuarantinedReport
from accounting.models import UsageReport as Row
from accounting.usage import UsageLine
from tests.accounting.books import GOLDEN, book, booked, ingest, micros, posted, prove, rows
from tests.conftest import ISSUER, Federation

FEE = (UsageLine("processing", Decimal(2), "credits", "2"),)


def added_value(federation: Federation, key: str, **changes: Any) -> Row:
    """An added-value report of the golden job, worth two credits, as it was kept."""
    pk = booked(federation, key, endpoint="addedvalue", service=f"process-{key}", lines=FEE, **changes)
    return Row.objects.get(pk=pk)


class TestAnUnknownPerson:
    def test_gets_an_account_a_personal_organisation_and_a_wallet_with_the_first_report(
        self, federation: Federation
    ) -> None:
        book(federation, user="dora@egi.eu")
        dora = organisations.find_person(ISSUER, "dora@egi.eu")
        assert dora is not None
        assert (dora.plan, dora.current_organisation) == ("free", dora.personal_organisation)
        assert posted(dora.personal_organisation) == -GOLDEN
        assert [m.role for m in organisations.memberships(dora.pk)] == ["owner"]
        prove()

    def test_is_made_once_however_often_a_batch_names_them(self, federation: Federation) -> None:
        """O1."""
        reports = [
            federation.report(f"k-{n}", user=sub, job_id=f"j-{n}")
            for n, sub in enumerate(["dora@egi.eu", "emil@egi.eu", "dora@egi.eu"])
        ]
        outcomes = usage.ingest(federation.client, reports, on_reuse="replay")
        assert [outcome.status for outcome in outcomes] == ["booked"] * 3
        dora = organisations.find_person(ISSUER, "dora@egi.eu")
        assert dora is not None
        assert posted(dora.personal_organisation) == -2 * GOLDEN

    def test_is_not_made_for_a_client_that_may_not_report_for_the_source(self, federation: Federation) -> None:
        outcome = ingest(federation.other_client, federation.report(user="dora@egi.eu"))
        assert outcome.status == "quarantined"
        assert organisations.find_person(ISSUER, "dora@egi.eu") is None

    def test_is_not_asked_for_an_organisation_that_does_not_know_them(self, federation: Federation) -> None:
        pk = booked(federation, user="dora@egi.eu", organisation=federation.lab)
        row = Row.objects.get(pk=pk)
        assert row.organisation_refused
        assert posted(federation.lab) == 0

    def test_of_another_issuer_is_another_person(self, federation: Federation, settings: Any) -> None:
        settings.TOKEN_ISSUERS = [{"id": "elsewhere", "issuer": "https://Elsewhere.example.org/"}]
        book(federation, user_issuer="https://elsewhere.example.org")
        assert posted(federation.alice.personal_organisation) == 0
        assert Person.objects.filter(sub=federation.alice.sub).count() == 2

    def test_of_an_issuer_that_nobody_configured_is_nobody(self, federation: Federation) -> None:
        outcome = ingest(federation.client, federation.report(user_issuer="https://elsewhere.example.org"))
        assert (outcome.status, outcome.error and outcome.error.code) == ("quarantined", "issuer_unknown")
        assert Person.objects.filter(sub=federation.alice.sub).count() == 1

    def test_is_charged_once_the_issuer_is_configured(self, federation: Federation, settings: Any) -> None:
        ingest(federation.client, federation.report(user_issuer="https://elsewhere.example.org"))
        settings.TOKEN_ISSUERS = [{"id": "elsewhere", "issuer": "https://elsewhere.example.org"}]
        assert usage.replay(QuarantinedReport.objects.get().pk).status == "booked"

    @pytest.mark.parametrize("spelling", [f"{ISSUER}/", ISSUER.upper()])
    def test_of_the_same_issuer_spelt_otherwise_is_the_same_person(self, federation: Federation, spelling: str) -> None:
        book(federation, user_issuer=spelling)
        assert posted(federation.alice.personal_organisation) == -GOLDEN


class TestAnOrganisation:
    def test_pays_for_its_members(self, federation: Federation) -> None:
        row = Row.objects.get(pk=booked(federation, organisation=federation.lab))
        assert (row.organisation_id, row.organisation_refused) == (federation.lab, False)
        assert posted(federation.lab) == -GOLDEN
        assert posted(federation.alice.personal_organisation) == 0
        assert not OutboxEvent.objects.filter(topic="organisation_refused").exists()

    def test_never_pays_for_a_stranger_whose_own_pays_instead(self, federation: Federation) -> None:
        """U2: the work is done, so it is charged; the report says who did not pay."""
        outcome = book(federation, user=federation.charlie.sub, organisation=federation.lab)
        assert posted(federation.lab) == 0
        assert posted(federation.charlie.personal_organisation) == -GOLDEN
        row = Row.objects.get(pk=outcome.transaction)
        assert (row.requested_organisation, row.organisation_id, row.organisation_refused) == (
            federation.lab, federation.charlie.personal_organisation, True,
        )  # fmt: skip
        for line in msgspec.json.decode(outcome.answer):
            assert (line["orgId"], line["orgIdRefused"]) == (federation.charlie.personal_organisation, True)
        prove()

    @pytest.mark.parametrize("organisation", [-1, 0, 2**63 - 1])
    def test_that_does_not_exist_is_refused_in_the_same_words(self, federation: Federation, organisation: int) -> None:
        row = Row.objects.get(pk=booked(federation, organisation=organisation))
        assert (row.organisation_id, row.organisation_refused) == (federation.alice.personal_organisation, True)

    def test_that_is_somebody_elses_personal_one_is_refused(self, federation: Federation) -> None:
        book(federation, organisation=federation.bob.personal_organisation)
        assert posted(federation.bob.personal_organisation) == 0

    def test_that_is_current_pays_when_the_job_names_none(self, federation: Federation) -> None:
        organisations.switch_organisation(federation.alice.pk, federation.lab)
        book(federation)
        assert posted(federation.lab) == -GOLDEN

    def test_that_is_current_no_longer_pays_for_somebody_who_left(self, federation: Federation) -> None:
        """U2 holds however the membership ended."""
        organisations.switch_organisation(federation.alice.pk, federation.lab)
        Member.objects.filter(organisation_id=federation.lab, person_id=federation.alice.pk).delete()
        book(federation)
        assert posted(federation.lab) == 0
        assert posted(federation.alice.personal_organisation) == -GOLDEN

    def test_that_is_current_pays_when_the_named_one_is_refused(self, federation: Federation) -> None:
        organisations.switch_organisation(federation.alice.pk, federation.lab)
        book(federation, organisation=federation.charlie.personal_organisation)
        assert posted(federation.lab) == -GOLDEN


class TestTheRefusedPerson:
    @pytest.fixture(autouse=True)
    def not_poor(self, federation: Federation) -> None:
        """So that nothing is said about credits having run out."""
        federation.grant(federation.alice.personal_organisation, micros(100), "enough")

    def test_is_told_once_for_a_report(self, federation: Federation) -> None:
        outcome = book(federation, organisation=4711)
        ingest(federation.client, federation.report(organisation=4711))
        event = OutboxEvent.objects.get(topic="organisation_refused")
        assert event.payload["transaction"] == outcome.transaction
        outbox.deliver()
        outbox.deliver()
        (notice,) = queries.notices(federation.alice.pk)
        assert (notice.kind, notice.organisation) == ("organisation_refused", federation.alice.personal_organisation)
        assert (notice.facts["requested"], notice.facts["job"]) == (4711, "j-1")
        assert queries.notices(federation.bob.pk) == []

    def test_is_told_once_for_a_job_of_many_reports(self, federation: Federation) -> None:
        book(federation, organisation=4711)
        added_value(federation, "k-2")
        book(federation, "k-3", organisation=4711, execution_id="application_2")
        outbox.deliver()
        assert [notice.kind for notice in queries.notices(federation.alice.pk)] == ["organisation_refused"]

    def test_is_told_for_each_job(self, federation: Federation) -> None:
        book(federation, organisation=4711)
        book(federation, "k-2", organisation=4711, job_id="j-2")
        outbox.deliver()
        assert len(queries.notices(federation.alice.pk)) == 2


class TestAnAddedValueReport:
    """U7: the client sends no `orgId` there."""

    def test_is_paid_by_the_organisation_of_its_executions_compute_report(self, federation: Federation) -> None:
        book(federation, organisation=federation.lab)
        row = added_value(federation, "k-2")
        assert (row.organisation_id, row.organisation_refused) == (federation.lab, False)
        assert posted(federation.lab) == -GOLDEN - micros(2)
        assert Job.objects.get().cost_added_value == micros(2)

    def test_inherits_that_the_organisation_was_refused(self, federation: Federation) -> None:
        book(federation, organisation=4711)
        row = added_value(federation, "k-2")
        assert (row.organisation_id, row.organisation_refused) == (federation.alice.personal_organisation, True)

    def test_keeps_the_payer_of_the_time_when_the_person_switches(self, federation: Federation) -> None:
        book(federation)
        organisations.switch_organisation(federation.alice.pk, federation.lab)
        assert added_value(federation, "k-2").organisation_id == federation.alice.personal_organisation

    def test_inherits_from_the_newest_of_several(self, federation: Federation) -> None:
        book(federation)
        book(federation, "k-2", organisation=federation.lab)
        assert added_value(federation, "k-3").organisation_id == federation.lab

    def test_that_names_an_organisation_is_paid_by_it(self, federation: Federation) -> None:
        book(federation)
        assert added_value(federation, "k-2", organisation=federation.lab).organisation_id == federation.lab

    @pytest.mark.parametrize("change", [{"execution_id": "application_2"}, {"execution_id": None}])
    def test_of_another_execution_inherits_nothing(self, federation: Federation, change: dict[str, Any]) -> None:
        book(federation, organisation=federation.lab)
        row = added_value(federation, "k-2", **change)
        assert row.organisation_id == federation.alice.personal_organisation

    def test_without_execution_does_not_inherit_from_another_without(self, federation: Federation) -> None:
        book(federation, organisation=federation.lab, execution_id=None)
        row = added_value(federation, "k-2", execution_id=None)
        assert row.organisation_id == federation.alice.personal_organisation

    def test_of_another_person_inherits_nothing(self, federation: Federation) -> None:
        book(federation, organisation=federation.lab)
        row = added_value(federation, "k-2", user=federation.charlie.sub)
        assert row.organisation_id == federation.charlie.personal_organisation

    def test_of_another_source_inherits_nothing(self, federation: Federation) -> None:
        book(federation, organisation=federation.lab)
        report = federation.report("k-2", source="cdse", endpoint="addedvalue", service="ndvi", lines=FEE)
        pk = ingest(federation.other_client, report).transaction
        assert Row.objects.get(pk=pk).organisation_id == federation.alice.personal_organisation


class TestARaceForANewPerson:
    def test_leaves_the_one_that_came_first(self, federation: Federation) -> None:
        """O1: the second maker rolls its own back and takes the first's."""
        first = organisations.ensure_person(ISSUER, "dora@egi.eu")
        before = rows()
        second = organisations._make_person(ISSUER, "dora@egi.eu")
        assert second == first
        assert rows() == before
        assert Account.objects.filter(organisation_id=first.personal_organisation).count() == 1
        assert Member.objects.filter(person_id=first.pk).count() == 1
        assert Organisation.objects.filter(pk=first.personal_organisation).exists()


def test_the_payer_of_a_repetition_is_not_asked_again(federation: Federation) -> None:
    """L3: the key is looked up before anything else, so a member who has left is answered as before."""
    first = book(federation, organisation=federation.lab)
    Member.objects.filter(organisation_id=federation.lab, person_id=federation.alice.pk).delete()
    again = ingest(federation.client, replace(federation.report(), organisation=federation.lab))
    assert (again.status, again.answer) == ("replayed", first.answer)
