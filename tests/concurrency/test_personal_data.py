"""Owners who go at the same moment, workers who want the same copy, scripts whose owner makes too many tokens."""

from __future__ import annotations

import pytest

from accounting import organisations
from accounting.errors import ErasureBlocked
from accounting.models import Member
from portal import claims, erasure, exports
from portal.api import script_tokens
from portal.models import ApiToken, DataExport, User
from tests.concurrency.crowd import SIZE, Crowd, broken_rules
from tests.conftest import ISSUER, Federation


@pytest.fixture
def users(committed_federation: Federation) -> list[User]:
    return [claims.store(ISSUER, f"owner-{number}@egi.eu", {"name": "Somebody"}) for number in range(SIZE)]


def test_the_last_of_many_owners_stays(committed_federation: Federation, users: list[User], crowd: Crowd) -> None:
    shared = organisations.create_organisation("Shared", users[0].person_id)
    for user in users:
        organisations.add_member(shared, user.person_id, "owner")
    organisations.add_member(shared, committed_federation.charlie.pk, "viewer")

    outcomes = crowd.rush(lambda number: erasure.erase(users[number]))

    blocked = [one for one in outcomes if isinstance(one, ErasureBlocked)]
    assert len(blocked) == 1
    assert [one for one in outcomes if one is True] == [True] * (SIZE - 1)
    assert Member.objects.filter(organisation_id=shared, role="owner").count() == 1
    assert User.objects.filter(erased_at__isnull=True).count() == 1
    assert broken_rules() == []


def test_one_is_erased_once(users: list[User], crowd: Crowd) -> None:
    outcomes = crowd.rush(lambda number: erasure.erase(users[0]))

    assert sorted(map(str, outcomes)) == ["False"] * (SIZE - 1) + ["True"]


def test_many_workers_make_each_copy_once(users: list[User], crowd: Crowd, rounds: range) -> None:
    for _ in rounds:
        for user in users[:3]:
            exports.request(user)
        assert sum(crowd.rush(lambda _: exports.make_waiting())) == 3
    assert DataExport.objects.filter(ready_at__isnull=False).count() == 3
    assert set(DataExport.objects.values_list("attempt", flat=True)) == {1}


def test_many_requests_ask_for_one_copy(users: list[User], crowd: Crowd) -> None:
    assert len({row.pk for row in crowd.rush(lambda _: exports.request(users[0]))}) == 1


def test_nobody_gets_more_tokens_than_allowed(users: list[User], crowd: Crowd) -> None:
    outcomes = crowd.rush(lambda _: script_tokens.create(users[0], "nightly", ["jobs:read"], 30))

    refused = [one for one in outcomes if isinstance(one, script_tokens.TooManyTokens)]
    assert len(refused) == SIZE - script_tokens.MOST_TOKENS
    assert ApiToken.objects.count() == script_tokens.MOST_TOKENS
