"""Limits of a process count its usage lines, those of a job what it cost in all (M5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from accounting import captures, ledger, limit_queries, limits, outbox
from accounting.errors import LimitInvalid, PaymentRequired
from accounting.hold_queries import find
from accounting.limits import Terms
from accounting.models import Limit, Notice
from accounting.rating import UsageLine
from tests.accounting.books import booked, micros, prove
from tests.accounting.hold_books import reserve
from tests.accounting.test_captures import cpu
from tests.conftest import Federation

pytestmark = pytest.mark.usefixtures("sound_books")


@pytest.fixture
def lab(federation: Federation) -> int:
    federation.grant(federation.lab, micros(1000), "lab")
    return federation.lab


def of(process: str, amount: float) -> tuple[UsageLine, ...]:
    return tuple(replace(line, process=process) for line in cpu(amount))


def spend(federation: Federation, key: str, lines: tuple[UsageLine, ...], **changes: Any) -> int:
    terms = {"organisation": federation.lab, "job_id": f"j-{key}", "execution_id": f"e-{key}"} | changes
    return booked(federation, key, lines=lines, **terms)


def hold(federation: Federation, key: str, amount: float, *processes: str, **changes: Any) -> Any:
    terms: dict[str, Any] = {"job_id": f"h-{key}", "processes": processes} | changes
    return reserve(federation, key, amount, payer={"organisation": federation.lab}, **terms)


def spent() -> list[int]:
    return list(Limit.objects.order_by("pk").values_list("spent", flat=True))


class TestOfAProcess:
    def test_counts_its_lines_alone(self, federation: Federation, lab: int) -> None:
        spend(federation, "k-0", (*of("ndvi", 1), *of("biopar", 2)))
        limits.set_limit(lab, micros(10), period="month", process="ndvi")
        limits.set_limit(lab, micros(90), period="month")
        assert spent() == [micros(1), micros(3)]
        pk = spend(federation, "k-1", (*of("ndvi", 4), *of("biopar", 5), *of("", 6)))
        assert spent() == [micros(5), micros(18)]
        ledger.reverse(pk, "goodwill")
        assert spent() == [micros(1), micros(3)]

    def test_bounds_holds_whose_workload_names_it(self, federation: Federation, lab: int) -> None:
        limits.set_limit(lab, micros(10), period="month", process="ndvi")
        spend(federation, "k-1", of("ndvi", 3))
        with pytest.raises(PaymentRequired) as refused:
            hold(federation, "a", 8, "load_collection", "ndvi")
        assert (refused.value.extra["reason"], refused.value.extra["may_spend"]) == ("over_limit", "7")
        made = hold(federation, "a", 5, "load_collection", "ndvi")
        hold(federation, "b", 100, "biopar")
        with pytest.raises(PaymentRequired):
            hold(federation, "c", 3, "ndvi")
        (use,) = limit_queries.of_organisation(lab)
        assert (use.spent, use.kept, use.process) == (micros(3), micros(5), "ndvi")
        view = find(made.id, [lab])
        assert view is not None
        assert [one.process for one in limit_queries.limits_on(view)] == ["ndvi"]

    def test_bounds_a_part_that_names_it_though_the_whole_does_not(self, federation: Federation, lab: int) -> None:
        limits.set_limit(lab, micros(4), period="month", process="ndvi")
        parent = hold(federation, "p", 20)
        with pytest.raises(PaymentRequired):
            hold(federation, "c", 5, "ndvi", parent=parent.id)
        hold(federation, "c", 4, "ndvi", parent=parent.id)

    def test_stops_the_running_job(self, federation: Federation, lab: int) -> None:
        limits.set_limit(lab, micros(10), period="month", process="ndvi")
        made = hold(federation, "a", 5, "ndvi")
        spend(federation, "k-1", of("ndvi", 6))
        assert captures.heartbeat(federation.client, made.id, cpu(4)).verdict.reason == "over_limit"

    def test_tells_people_once_a_share(self, federation: Federation, lab: int) -> None:
        limits.set_limit(lab, micros(10), period="month", process="ndvi", action="notify")
        spend(federation, "k-1", of("ndvi", 8.5))
        spend(federation, "k-2", of("ndvi", 2))
        outbox.deliver()
        told = Notice.objects.filter(person=federation.bob.pk, kind="limit_reached").order_by("pk")
        assert [(one.facts["share"], one.facts["process"]) for one in told] == [(80, "ndvi"), (100, "ndvi")]

    @pytest.mark.parametrize(
        "terms", [Terms("job", process="ndvi"), Terms("month", process="a b"), Terms("month", process="x" * 256)]
    )
    def test_nonsense_is_refused(self, lab: int, terms: Terms) -> None:
        with pytest.raises(LimitInvalid) as refused:
            limits.change(lab, 1, terms)
        assert refused.value.field == "process"


class TestOfAJob:
    def test_bounds_each_hold_and_its_growth(self, federation: Federation, lab: int) -> None:
        from accounting import holds

        limits.set_limit(lab, micros(20), period="job")
        with pytest.raises(PaymentRequired) as refused:
            hold(federation, "a", 21)
        assert (refused.value.extra["reason"], refused.value.extra["may_spend"]) == ("over_limit", "20")
        made = hold(federation, "a", 15)
        with pytest.raises(PaymentRequired):
            holds.extend(federation.client, made.id, micros(6), "more")
        holds.extend(federation.client, made.id, micros(5), "more-2")
        hold(federation, "b", 20)  # another job

    def test_counts_what_the_job_has_cost_before(self, federation: Federation, lab: int) -> None:
        limits.set_limit(lab, micros(20), period="job")
        spend(federation, "k-1", cpu(12), job_id="h-a")
        with pytest.raises(PaymentRequired) as refused:
            hold(federation, "a", 9)
        assert refused.value.extra["may_spend"] == "8"
        hold(federation, "a", 8)
        assert spent() == [0]

    def test_may_be_one_members_or_one_back_ends(self, federation: Federation, lab: int) -> None:
        limits.set_limit(lab, micros(5), period="job", person=federation.bob.pk)
        hold(federation, "a", 50)
        limits.set_limit(lab, micros(5), period="job", backend=federation.backend)
        with pytest.raises(PaymentRequired):
            hold(federation, "b", 50)

    def test_stops_the_running_job(self, federation: Federation, lab: int) -> None:
        limits.set_limit(lab, micros(20), period="job")
        spend(federation, "k-1", cpu(12), job_id="h-a", execution_id="first")
        made = hold(federation, "a", 8, execution_id="second")
        assert captures.heartbeat(federation.client, made.id, cpu(3)).verdict.decision == "continue"
        assert captures.heartbeat(federation.client, made.id, cpu(5)).verdict.decision == "warn"
        verdict = captures.heartbeat(federation.client, made.id, cpu(8)).verdict
        assert (verdict.decision, verdict.reason) == ("stop", "over_limit")

    def test_tells_the_owner_of_the_job_and_who_answers_once_a_job(self, federation: Federation, lab: int) -> None:
        limits.set_limit(lab, micros(10), period="job", action="notify")
        spend(federation, "k-1", cpu(9), job_id="j")
        spend(federation, "k-2", cpu(9), job_id="j")
        spend(federation, "k-3", cpu(3), job_id="other")
        outbox.deliver()
        for person in (federation.alice.pk, federation.bob.pk):
            told = Notice.objects.filter(person=person, kind="limit_reached").order_by("pk")
            assert [(one.facts["share"], one.facts["job"]) for one in told] == [(80, "j"), (100, "j")]

    def test_nothing_is_reserved_by_a_limit_that_only_tells(self, federation: Federation, lab: int) -> None:
        limits.set_limit(lab, micros(1), period="job", action="notify")
        hold(federation, "a", 500)
        prove()
