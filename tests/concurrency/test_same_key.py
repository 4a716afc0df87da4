"""The same key at the same moment is one charge and one answer (L3), whoever asks and however often."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounting import ledger, quarantine, registry, tariffs, usage
from accounting.usage import Outcome, UsageReport
from tests.concurrency.crowd import SIZE, Crowd, broken_rules, counted
from tests.conftest import ISSUER, RATES, Federation
from tests.faults import NO_UNIQUE_KEY, figures, planted

pytestmark = pytest.mark.slow

COST = 5_759_775
"""The report of the cast, in micro-credits."""


def send(_: int, federation: Federation, report: UsageReport) -> Outcome:
    return usage.ingest(federation.client, [report], on_reuse="replay")[0]


def send_all(number: int, federation: Federation, reports: list[UsageReport]) -> list[Outcome]:
    """As a batch or one by one, from the front or from the back."""
    order = reports if number % 4 < 2 else reports[::-1]
    if number % 2:
        return usage.ingest(federation.client, order, on_reuse="replay")
    return [send(number, federation, report) for report in order]


def charged(federation: Federation) -> int:
    home = federation.alice.personal_organisation
    (posted,) = figures("SELECT posted FROM accounting_account WHERE organisation_id = %s", home)
    return -int(posted)


def test_one_of_them_is_booked_and_all_hear_its_answer(
    committed_federation: Federation, crowd: Crowd, rounds: range
) -> None:
    for n in rounds:
        report = committed_federation.report(key=f"k-{n}")
        outcomes = crowd.rush(send, committed_federation, report)
        assert counted(outcomes) == {"booked": 1, "replayed": SIZE - 1}
        assert len({outcome.answer for outcome in outcomes}) == 1
        assert charged(committed_federation) == COST * (n + 1)
    assert broken_rules() == []


def test_a_batch_and_single_reports_share_keys(committed_federation: Federation, crowd: Crowd, rounds: range) -> None:
    for n in rounds:
        reports = [committed_federation.report(key=f"k-{n}-{i}") for i in range(4)]

        answers = crowd.rush(send_all, committed_federation, reports)
        assert [type(one) for one in answers] == [list] * SIZE
        assert counted([outcome for one in answers for outcome in one]) == {"booked": 4, "replayed": 4 * (SIZE - 1)}
        assert charged(committed_federation) == 4 * COST * (n + 1)
    assert broken_rules() == []


def test_without_the_unique_key_it_would_be_charged_more_than_once(
    committed_federation: Federation, crowd: Crowd
) -> None:
    with planted(NO_UNIQUE_KEY):
        for n in range(5):
            report = committed_federation.report(key=f"k-{n}")
            crowd.rush(send, committed_federation, report)
        assert charged(committed_federation) > 5 * COST


def test_a_grant_is_issued_once_a_key(committed_federation: Federation, crowd: Crowd, rounds: range) -> None:
    home = committed_federation.alice.personal_organisation
    for n in rounds:
        made = crowd.rush(lambda _, key: committed_federation.grant(home, 1_000_000, key), f"g-{n}")
        assert len(set(made)) == 1
        assert isinstance(made[0], int)
        assert charged(committed_federation) == -1_000_000 * (n + 1)
    assert broken_rules() == []


def test_a_transaction_is_reversed_once(committed_federation: Federation, crowd: Crowd, rounds: range) -> None:
    federation = committed_federation
    federation.grant(federation.alice.personal_organisation, COST // 2, "half")
    for n in rounds:
        made = send(0, federation, federation.report(key=f"k-{n}")).transaction
        assert made is not None
        reversals = crowd.rush(lambda _, made: ledger.reverse(made, "goodwill"), made)
        assert len(set(reversals)) == 1
        assert isinstance(reversals[0], int)
        assert charged(federation) == -(COST // 2)
        assert figures("SELECT remaining FROM accounting_grant") == (COST // 2,)
    assert broken_rules() == []


def test_a_kept_report_is_booked_once(committed_federation: Federation, crowd: Crowd, rounds: range) -> None:
    """Without a key nothing but the row's lock stands between two operators."""
    federation = committed_federation
    for n in rounds:
        name = f"new source {n}"
        assert send(0, federation, federation.report(key=None, source=name)).status == "quarantined"
        registry.register_source(name, federation.backend, ISSUER)
        tariffs.publish(name, "rates", RATES, starts_at=datetime(2020, 1, 1, tzinfo=UTC))
        registry.register_client(ISSUER, "job-tracker", "job-tracker", [name])
        [kept] = quarantine.open_reports()
        outcomes = crowd.rush(lambda _, kept: usage.replay(kept), kept)
        assert counted(outcomes) == {"booked": 1, "replayed": SIZE - 1}
        assert charged(federation) == COST * (n + 1)
    assert broken_rules() == []
