"""The operators' commands, as docs/operations.md says them."""

from __future__ import annotations

import json
import re
import shlex
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounting import limits, queries, registry, tariffs
from accounting.models import Account, Organisation, Source, Tariff
from tests.accounting.books import micros
from tests.conftest import ISSUER, Federation

GUIDE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
SHOWN = [shlex.split(block.replace("\\\n", " ")) for block in re.findall(r"```\nmanage\.py (.*?)```", GUIDE, re.DOTALL)]
RATES = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)[0]


def shown(command: str) -> list[str]:
    return list(next(words for words in SHOWN if words[0] == command))


def run(words: list[str]) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def rates(tmp_path: Path) -> Path:
    file = tmp_path / "rates.json"
    file.write_text(RATES, encoding="utf-8")
    return file


def test_a_back_end_is_connected_and_priced_as_the_guide_says(db: None, rates: Path) -> None:
    for _ in range(2):
        assert "openeo-job-tracker may report for TerraScope/MEP" in run(shown("register_backend"))
    client = registry.find_client("https://sso.terrascope.be/auth/realms/terrascope", "openeo-job-tracker")
    assert client is not None
    assert registry.sources_of(client.pk) == ["TerraScope/MEP"]
    run([*shown("publish_tariff")[:-1], str(rates)])
    tariff = Tariff.objects.get()
    assert [rule.name for rule in tariffs.load(tariff.pk)] == [rule["name"] for rule in json.loads(RATES)["rules"]]
    assert tariffs.load(tariff.pk)[-1].when == {"state": frozenset({"FAILED"})}


def test_a_client_keeps_its_sources_when_it_gets_another(db: None) -> None:
    words = shown("register_backend")
    run(words)
    run([words[0], "TerraScope/Two", *words[2:]])
    assert Source.objects.count() == 2
    client = registry.find_client("https://sso.terrascope.be/auth/realms/terrascope", "openeo-job-tracker")
    assert client is not None
    assert registry.sources_of(client.pk) == ["TerraScope/MEP", "TerraScope/Two"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"starts_at": "2026-01-01T00:00:00"}, "offset"),
        ({"rules": [{"name": "x", "metric": "cpu", "canonical_unit": "km2"}]}, r"rules\[0\].canonical_unit"),
        ({"colour": "red"}, "colour"),
        ({"name": 5.5}, "name"),
    ],
)
def test_bad_rates_are_named(federation: Federation, tmp_path: Path, change: dict[str, object], problem: str) -> None:
    file = tmp_path / "rates.json"
    file.write_text(json.dumps(json.loads(RATES) | change), encoding="utf-8")
    before = Tariff.objects.count()
    with pytest.raises(CommandError, match=problem):
        run(["publish_tariff", "TerraScope/MEP", str(file)])
    assert Tariff.objects.count() == before


def test_missing_rates_are_named(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nowhere\.json"):
        run(["publish_tariff", "TerraScope/MEP", str(tmp_path / "nowhere.json")])


def test_credits_are_given_once_however_often_the_command_is_repeated(federation: Federation) -> None:
    words = shown("issue_grant")
    words[1] = str(federation.lab)
    for _ in range(2):
        run(words)
    assert queries.balance(federation.lab).spendable == 1_000_000_000


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [(2, "1e3", "amount"), (2, "0", "amount"), (1, "999999999", "organisation"), (-1, "2027-01-01", "offset")],
)
def test_bad_grants_are_named(federation: Federation, place: int, value: str, problem: str) -> None:
    words = shown("issue_grant")
    words[1] = str(federation.lab)
    words[place] = value
    with pytest.raises(CommandError, match=problem):
        run(words)


def test_spending_is_bounded_as_the_guide_says(federation: Federation) -> None:
    for words in (shown("limit_spending"), shown("govern_organisation")):
        assert str(federation.lab) in run([words[0], str(federation.lab), *words[2:]])
    assert [(one.amount, one.period, one.action) for one in limits.limits(federation.lab)] == [
        (micros(5000), "month", "block")
    ]
    account = Account.objects.get(organisation_id=federation.lab)
    assert (account.floor, account.fail_open, account.most_held, account.most_holds) == (
        *(-micros(100), micros(25), micros(20000)),
        200,
    )


def test_limits_are_narrowed_and_taken_away(federation: Federation) -> None:
    lab = str(federation.lab)
    narrow = ["--member", ISSUER, federation.alice.sub, "--project", "alps", "--backend", "terrascope"]
    run(["limit_spending", lab, "--amount", "5", "--period", "year", "--action", "notify", *narrow])
    (one,) = limits.limits(federation.lab)
    assert (one.person, one.backend, one.project is not None) == (federation.alice.pk, federation.backend, True)
    run(["limit_spending", lab, "--none", "--period", "year", "--action", "notify", *narrow])
    assert limits.limits(federation.lab) == []


def test_an_organisation_is_suspended_and_resumed(federation: Federation) -> None:
    run(["govern_organisation", str(federation.lab), "--suspend", "unpaid"])
    assert Organisation.objects.get(pk=federation.lab).suspended_because == "unpaid"
    run(["govern_organisation", str(federation.lab), "--resume"])
    assert Organisation.objects.get(pk=federation.lab).suspended_at is None


def test_rules_that_are_not_named_stay_as_they_are(federation: Federation) -> None:
    lab = str(federation.lab)
    run(["govern_organisation", lab, *shown("govern_organisation")[2:]])
    assert "suspended" in run(["govern_organisation", lab, "--suspend", ""])
    assert Organisation.objects.get(pk=federation.lab).suspended_at is not None
    run(["govern_organisation", lab, "--resume", "--most-holds", "default", "--fail-open", "3"])
    assert limits.rules(federation.lab) == limits.Rules(micros(100), micros(3), micros(20000), None)


@pytest.mark.parametrize(
    "words",
    [
        ["govern_organisation", "1"],
        ["govern_organisation", "1", "--most-holds", "many"],
        ["limit_spending", "999999", "--amount", "5", "--period", "month"],
        ["limit_spending", "1", "--amount", "x", "--period", "month"],
        ["limit_spending", "1", "--amount", "5", "--period", "month", "--member", "https://x.example.org", "nobody"],
        ["limit_spending", "1", "--amount", "5", "--period", "month", "--backend", "nowhere"],
        ["govern_organisation", "999999"],
        ["govern_organisation", "1", "--overdraft", "-"],
    ],
)
def test_bounds_that_make_no_sense_are_refused(federation: Federation, words: list[str]) -> None:
    with pytest.raises(CommandError):
        run(words)
