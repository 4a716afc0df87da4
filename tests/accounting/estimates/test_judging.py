"""Whether estimates were right: compared with jobs that they could not know (E3)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from accounting import estimates, tasks
from accounting.estimates import judging
from accounting.estimates.forecasting import Forecaster
from accounting.models import Calibration, Observation, StoredEstimate
from tests.accounting.estimates.jobs import NOW, Past, source_of, workload
from tests.conftest import SOURCE

DAY = timedelta(days=1)


def learn(now: object = NOW) -> int:
    estimates.collect(now=now)  # type: ignore[arg-type]
    judged = estimates.judge(now=now)  # type: ignore[arg-type]
    estimates.calibrate(now=now)  # type: ignore[arg-type]
    return judged


def test_the_interval_holds_eight_jobs_in_ten(past: Past) -> None:
    """E3: each compared with what would have been said at the midnight before it began."""
    past.days(40, 8)
    assert learn() == 320
    everything, here = estimates.calibration()
    assert everything.recent is not None
    assert here.recent == everything.recent
    assert everything.recent.jobs == 240
    assert 0.73 <= everything.recent.coverage <= 0.87  # of 240: a share of 0.8 strays by 0.026
    assert everything.recent.bias == pytest.approx(1, abs=0.07)
    assert everything.ever is not None
    assert everything.ever.jobs > 240


def test_what_is_judged_knows_nothing_of_that_day_or_later(past: Past) -> None:
    """E3"""
    past.days(10, 4)
    learn(NOW - DAY)
    before = {row.job_id: row.median for row in StoredEstimate.objects.all()}
    past.days(3, 20, until=NOW + 3 * DAY, factor=10)
    learn(NOW + 4 * DAY)
    again = {row.job_id: row.median for row in StoredEstimate.objects.filter(job_id__in=before)}
    assert again == before
    first = StoredEstimate.objects.order_by("made_at").first()
    assert first is not None
    earlier = Observation.objects.filter(known_at__lt=first.made_at)
    assert earlier.count() == 4  # nothing was known on the very first day
    for row in StoredEstimate.objects.order_by("-made_at")[:3]:
        said = Forecaster(row.made_at, "batch", [workload().label])
        assert all(job.known_at < row.made_at for job in said._jobs)
        assert not row.asked


def test_an_estimate_that_was_asked_for_is_the_one_that_is_judged(past: Past) -> None:
    past.days(10, 4)
    learn()
    (one,) = estimates.estimate(workload(), at=NOW)
    source, alice = source_of(SOURCE), past.federation.alice.pk
    estimates.remember(source, "asked", None, None, one, at=NOW)
    estimates.remember(source, "asked", "e-asked", alice, one, at=NOW)
    past.run(NOW + DAY, job_id="asked", told=workload(), noise=0)
    past.run(NOW + DAY, job_id="silent", told=workload(), noise=0)
    learn(NOW + 2 * DAY)
    asked = StoredEstimate.objects.get(job_id="asked", person=alice)
    assert (asked.asked, asked.median, asked.actual, asked.inside) == (True, one.median, 15_000_000, True)
    assert asked.made_at == NOW
    assert StoredEstimate.objects.get(job_id="asked", person=None).actual is None
    assert not StoredEstimate.objects.get(job_id="silent").asked


def test_the_newest_estimate_counts_until_the_cost_is_known(past: Past) -> None:
    past.days(10, 4)
    learn()
    (one,) = estimates.estimate(workload(), at=NOW)
    (other,) = estimates.estimate(workload(200), at=NOW)
    source = source_of(SOURCE)
    for said in (other, one, one):
        estimates.remember(source, "j", None, None, said, at=NOW)
    assert StoredEstimate.objects.get(job_id="j").median == one.median
    past.run(NOW + DAY, job_id="j", told=workload(), noise=0)
    learn(NOW + 2 * DAY)
    estimates.remember(source, "j", None, None, other, at=NOW + 3 * DAY)
    kept, new = StoredEstimate.objects.filter(job_id="j").order_by("-execution_id")
    assert (kept.execution_id, kept.median, kept.inside) == ("e-j", one.median, True)
    assert (new.execution_id, new.median, new.actual) == ("", other.median, None)  # for the next run of the job


def test_a_job_that_runs_again_is_judged_by_the_word_about_that_run(past: Past) -> None:
    past.days(10, 4)
    learn()
    source = source_of(SOURCE)
    for number, size in enumerate((100, 300)):
        (said,) = estimates.estimate(workload(size), [SOURCE], at=NOW)
        estimates.remember(source, "again", None, None, said, at=NOW + number * DAY)
        at = NOW + number * DAY + timedelta(hours=1)
        past.run(at, job_id="again", told=workload(size), noise=0, execution_id=f"run-{number}", key=f"again-{number}")
        learn(at + timedelta(hours=2))
    rows = StoredEstimate.objects.filter(job_id="again").order_by("execution_id")
    assert [(row.execution_id, row.asked, row.inside) for row in rows] == [("run-0", True, True), ("run-1", True, True)]
    assert rows[1].median > 2 * rows[0].median


def test_one_word_is_for_one_run(past: Past) -> None:
    past.days(10, 4)
    learn()
    (one,) = estimates.estimate(workload(), [SOURCE], at=NOW)
    estimates.remember(source_of(SOURCE), "twice", None, None, one, at=NOW)
    for number in range(2):
        at = NOW + timedelta(hours=3 + number)
        past.run(at, job_id="twice", told=workload(), execution_id=f"run-{number}", key=f"twice-{number}")
    learn(NOW + DAY)
    asked = dict(StoredEstimate.objects.filter(job_id="twice").values_list("execution_id", "asked"))
    assert asked == {"run-0": True, "run-1": False}


def test_a_word_that_came_after_the_cost_is_no_estimate(past: Past) -> None:
    """E3"""
    past.days(10, 4)
    learn()
    (one,) = estimates.estimate(workload(), [SOURCE], at=NOW)
    past.run(NOW + DAY, job_id="j", told=workload(), noise=0)
    estimates.remember(source_of(SOURCE), "j", "e-j", None, one, at=NOW + 2 * DAY)
    learn(NOW + 3 * DAY)
    assert not StoredEstimate.objects.exclude(judged_at=None).get(job_id="j").asked


def test_a_late_charge_is_judged_again_with_the_same_estimate(past: Past) -> None:
    past.days(10, 4)
    past.run(NOW - timedelta(hours=12), job_id="late", told=workload(), noise=0)
    learn()
    first = StoredEstimate.objects.get(job_id="late")
    past.report(NOW + DAY, "late", seconds=36_000, key="second")
    learn(NOW + 2 * DAY)
    second = StoredEstimate.objects.get(job_id="late")
    assert (first.actual, second.actual) == (15_000_000, 30_000_000)
    assert second.median == first.median
    assert (first.inside, second.inside) == (True, False)


def test_jobs_are_judged_once_and_only_when_their_cost_is_complete(past: Past) -> None:
    past.days(5, 3)
    past.run(NOW - timedelta(minutes=20))
    assert learn() == 15
    assert learn() == 0
    assert learn(NOW + timedelta(hours=2)) == 1


def test_what_failed_is_not_compared(past: Past) -> None:
    past.days(5, 3)
    past.run(NOW - timedelta(hours=3), job_id="failed", state="FAILED")
    assert learn() == 16
    assert not StoredEstimate.objects.filter(job_id="failed").exists()


def test_a_source_whose_figures_went_away_is_no_longer_counted(past: Past) -> None:
    past.days(5, 3)
    learn()
    assert Calibration.objects.count() == 4
    StoredEstimate.objects.all().delete()
    estimates.calibrate(now=NOW + DAY)
    assert estimates.calibration() == []


def test_reading_the_calibration_is_one_query(past: Past, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    past.days(5, 3)
    past.days(5, 3, source="cdse")
    learn()
    with django_assert_num_queries(1):
        views = estimates.calibration()
    assert [view.source for view in views] == ["", SOURCE, "cdse"]
    assert views[1].backend_name == "Terrascope"
    assert [view.source for view in estimates.calibration(["cdse"])] == ["", "cdse"]


def test_a_run_takes_no_more_than_it_is_told(past: Past) -> None:
    past.days(4, 5)
    estimates.collect(now=NOW)
    assert estimates.judge(now=NOW, limit=7) == 7
    assert estimates.judge(now=NOW) == 13
    assert judging.BATCH > 7


def test_the_hourly_task_learns_from_what_ended(past: Past) -> None:
    past.days(5, 4)
    past.clock(None)
    tasks.learn_estimates.apply().get()
    assert Observation.objects.filter(judged=True).count() == 20
    assert Calibration.objects.exists()
    tasks.learn_estimates.apply().get()
    assert Observation.objects.count() == 20
