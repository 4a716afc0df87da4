"""Budgets of projects: their sum, what pays beyond one, and moving them (M3, M4)."""

from __future__ import annotations

from typing import Any

import pytest

from accounting import limit_queries, limits, projects
from accounting.errors import LimitInvalid, NotFound, PaymentRequired, ProjectInvalid, ProjectUnknown, TransferInvalid
from accounting.limits import Move, Terms
from accounting.models import Hold, UsageReport
from tests.accounting.books import booked, micros, prove
from tests.accounting.hold_books import check_held, reserve
from tests.accounting.test_captures import cpu
from tests.conftest import Federation

pytestmark = pytest.mark.usefixtures("sound_books")


@pytest.fixture
def lab(federation: Federation) -> int:
    federation.grant(federation.lab, micros(1000), "lab")
    limits.set_limit(federation.lab, micros(100), period="month")
    return federation.lab


def project(lab: int, slug: str, amount: float | None = None, *, fallback: bool = False) -> int:
    pk = projects.create(lab, slug, slug.capitalize())
    if amount is not None:
        limits.change(lab, micros(amount), Terms("month", project=pk, fallback=fallback))
    return pk


def hold(federation: Federation, key: str, amount: float, slug: str | None = None) -> None:
    reserve(federation, key, amount, job_id=f"h-{key}", payer={"organisation": federation.lab, "project": slug})


def most(federation: Federation, slug: str | None = None) -> float:
    """What a hold could get at most."""
    with pytest.raises(PaymentRequired) as caught:
        hold(federation, "asks", 999, slug)
    assert caught.value.extra["reason"] == "over_limit"
    return float(caught.value.extra["may_spend"])


def spend(federation: Federation, key: str, amount: float, **changes: Any) -> None:
    terms = {"organisation": federation.lab, "job_id": f"j-{key}", "execution_id": key} | changes
    booked(federation, key, lines=cpu(amount), **terms)


class TestTheSum:
    def test_of_the_projects_is_at_most_the_organisations(self, lab: int) -> None:
        project(lab, "alps", 60)
        andes = project(lab, "andes")
        with pytest.raises(LimitInvalid) as refused:
            limits.set_limit(lab, micros(41), period="month", project=andes)
        assert refused.value.field == "amount"
        assert refused.value.extra == {"most": micros(100), "assigned": micros(101)}
        limits.set_limit(lab, micros(40), period="month", project=andes)
        with pytest.raises(LimitInvalid):
            limits.set_limit(lab, micros(99), period="month")

    def test_is_of_one_period(self, lab: int) -> None:
        alps = project(lab, "alps", 100)
        limits.set_limit(lab, micros(900), period="year", project=alps)
        limits.set_limit(lab, micros(500), period="month", project=alps, action="notify")
        limits.set_limit(lab, micros(500), period="month", project=alps, person=None, process="ndvi")

    def test_has_no_bound_where_the_organisation_has_none(self, lab: int) -> None:
        alps = project(lab, "alps", 60)
        limits.set_limit(lab, None, period="month")
        limits.set_limit(lab, micros(10_000), period="month", project=alps)
        with pytest.raises(LimitInvalid):
            limits.set_limit(lab, micros(9_999), period="month")


class TestBeyondABudget:
    def test_nothing_is_reserved(self, federation: Federation, lab: int) -> None:
        project(lab, "alps", 30)
        hold(federation, "a", 20, "alps")
        assert most(federation, "alps") == 10

    def test_the_unassigned_part_pays_if_that_was_said(self, federation: Federation, lab: int) -> None:
        project(lab, "alps", 30, fallback=True)
        project(lab, "andes", 50)
        assert most(federation, "alps") == 30 + 20
        hold(federation, "a", 45, "alps")
        assert most(federation, "alps") == 5
        assert most(federation) == 5
        assert most(federation, "andes") == 50  # nobody took from it
        hold(federation, "b", 5)
        assert most(federation, "alps") == 0
        hold(federation, "c", 50, "andes")
        check_held()

    def test_what_was_booked_counts_to_the_unassigned_part(self, federation: Federation, lab: int) -> None:
        project(lab, "alps", 30, fallback=True)
        spend(federation, "k", 33, project="alps")
        assert limit_queries.unassigned(limit_queries.of_organisation(lab), "month") == (micros(70), micros(3), 0)
        assert most(federation) == 67
        assert most(federation, "alps") == 67

    def test_jobs_without_a_project_leave_the_budgets_alone(self, federation: Federation, lab: int) -> None:
        project(lab, "alps", 80)
        project(lab, "andes")  # without a budget
        assert most(federation) == most(federation, "andes") == 20
        hold(federation, "a", 20)
        assert most(federation, "andes") == 0
        assert most(federation, "alps") == 80

    def test_a_running_job_is_stopped_at_the_end_of_both(self, federation: Federation, lab: int) -> None:
        from accounting import captures

        project(lab, "alps", 10, fallback=True)
        project(lab, "andes", 85)
        made = reserve(federation, "h", 15, payer={"organisation": lab, "project": "alps"})
        assert captures.heartbeat(federation.client, made.id, cpu(11)).verdict.decision == "continue"
        assert captures.heartbeat(federation.client, made.id, cpu(15)).verdict.decision == "stop"

    def test_only_a_budget_falls_back(self, federation: Federation, lab: int) -> None:
        alps = project(lab, "alps")
        wrong: list[Terms] = [
            Terms("month", fallback=True),
            Terms("month", project=alps, action="notify", fallback=True),
            Terms("month", project=alps, person=federation.bob.pk, fallback=True),
            Terms("job", project=alps, fallback=True),
        ]
        for terms in wrong:
            with pytest.raises(LimitInvalid, match="fall back"):
                limits.change(lab, 1, terms)


class TestMoving:
    def amounts(self, lab: int) -> dict[str, float]:
        return {use.project: use.amount / 1e6 for use in limit_queries.of_organisation(lab) if use.is_budget}

    def test_between_projects_and_the_unassigned_part(self, federation: Federation, lab: int) -> None:
        alps, andes = project(lab, "alps", 30), project(lab, "andes", 20)
        limits.move(lab, Move("month", alps, andes, micros(10), "more rain"))
        assert self.amounts(lab) == {"Alps": 20, "Andes": 30}
        limits.move(lab, Move("month", None, alps, micros(50), "all that is left"))
        assert self.amounts(lab) == {"Alps": 70, "Andes": 30}
        limits.move(lab, Move("month", alps, None, micros(70), "nothing any more"))
        assert self.amounts(lab) == {"Alps": 0, "Andes": 30}
        assert most(federation) == 70

    def test_takes_only_what_is_neither_spent_nor_kept(self, federation: Federation, lab: int) -> None:
        alps, andes = project(lab, "alps", 30), project(lab, "andes", 20)
        spend(federation, "k", 12, project="alps")
        hold(federation, "a", 8, "alps")
        hold(federation, "b", 45)
        with pytest.raises(TransferInvalid) as refused:
            limits.move(lab, Move("month", alps, andes, micros(11), "too much"))
        assert (refused.value.field, refused.value.extra["left"]) == ("amount", micros(10))
        with pytest.raises(TransferInvalid) as refused:
            limits.move(lab, Move("month", None, andes, micros(6), "too much"))
        assert refused.value.extra["left"] == micros(5)
        limits.move(lab, Move("month", alps, andes, micros(10), "all"))
        assert self.amounts(lab) == {"Alps": 20, "Andes": 30}

    def test_from_a_part_without_bound(self, federation: Federation, lab: int) -> None:
        alps = project(lab, "alps", 30)
        limits.set_limit(lab, None, period="month")
        limits.move(lab, Move("month", None, alps, micros(5000), "there is enough"))
        assert self.amounts(lab) == {"Alps": 5030}

    def test_needs_two_budgets_an_amount_and_a_reason(self, federation: Federation, lab: int) -> None:
        alps, andes = project(lab, "alps", 30), project(lab, "andes")
        gone = project(lab, "gone", 1)
        projects.archive(lab, gone)
        other = projects.create(federation.bob.personal_organisation, "x", "X")
        for terms, field in (
            (Move("month", alps, andes, 1, "why"), "target"),
            (Move("month", andes, alps, 1, "why"), "source"),
            (Move("year", alps, None, 1, "why"), "source"),
            (Move("month", other, alps, 1, "why"), "source"),
            (Move("month", alps, alps, 1, "why"), "target"),
            (Move("month", alps, gone, 1, "why"), "target"),
            (Move("month", alps, None, 0, "why"), "amount"),
            (Move("month", alps, None, 10**18, "why"), "amount"),
            (Move("month", alps, None, 1, " "), "reason"),
            (Move("month", alps, None, 1, "x" * 201), "reason"),
        ):
            with pytest.raises(TransferInvalid) as refused:
                limits.move(lab, terms)
            assert refused.value.field == field
        assert self.amounts(lab) == {"Alps": 30, "Gone": 1}


class TestAnArchivedProject:
    def test_starts_no_jobs_and_keeps_its_own(self, federation: Federation, lab: int) -> None:
        alps = project(lab, "alps", 30)
        hold(federation, "a", 5, "alps")
        projects.archive(lab, alps)
        with pytest.raises(ProjectUnknown) as refused:
            hold(federation, "b", 5, "alps")
        assert refused.value.extra["reason"] == "project_archived"
        booked(federation, "k-1", lines=cpu(2), job_id="h-a", execution_id="e", organisation=lab)
        assert UsageReport.objects.get().project_id == alps
        projects.restore(lab, alps)
        hold(federation, "b", 5, "alps")
        assert Hold.objects.filter(project_id=alps).count() == 2

    def test_is_found_by_its_organisation_only(self, federation: Federation, lab: int) -> None:
        other = projects.create(federation.bob.personal_organisation, "x", "X")
        for deed in (projects.archive, projects.restore):
            with pytest.raises(NotFound):
                deed(lab, other)
        with pytest.raises(NotFound):
            projects.rename(lab, other, "Y")

    def test_names_and_slugs_are_checked(self, lab: int) -> None:
        project(lab, "alps")
        for slug, name in (("alps", "Other"), ("a b", "A"), ("x" * 51, "X"), ("ok", " "), ("ok", "a\x00")):
            with pytest.raises(ProjectInvalid):
                projects.create(lab, slug, name)
        prove()
