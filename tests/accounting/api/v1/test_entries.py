"""GET /entries: a wallet's changes, newest first, narrowed and paged; nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from accounting import ledger
from accounting.api.v1 import documents
from accounting.models import Transaction
from tests.accounting.api.v1.conftest import Caller, Callers, report
from tests.accounting.api.v1.test_usage_report_bad_input import check_problem
from tests.conftest import Federation


def pages(caller: Caller, path: str, **query: Any) -> list[dict[str, Any]]:
    """All items, page after page; every page but the last is full."""
    found: list[dict[str, Any]] = []
    following: str | None = None
    while True:
        answer = (
            caller.send("GET", following.removeprefix("http://testserver")) if following else caller.get(path, query)
        )
        assert answer.status_code == 200, answer.content
        body = answer.json()
        found += body["items"]
        if (following := body["next"]) is None:
            return found
        assert len(body["items"]) == query.get("limit", 50)


def unnamed(caller: Caller, path: str, values: dict[str, tuple[str, ...]]) -> list[Any]:
    """Those of the values that are not refused with a problem that names their parameter."""
    wrong = []
    for name, each in values.items():
        for value in each:
            answer = caller.get(path, {name: value})
            if answer.status_code != 400 or check_problem(answer, 400).get("field") != name:
                wrong.append((name, value, answer.content))
    return wrong


@pytest.fixture
def life(federation: Federation, callers: Callers, database_clock: Callable[[datetime | None], None]) -> Federation:
    """Alice: a grant on 1 March, two jobs on the 2nd and 3rd, the first given back on the 4th."""
    day = datetime(2026, 3, 1, 12, tzinfo=UTC)
    story: list[Callable[[], Any]] = [
        lambda: federation.grant(federation.alice.personal_organisation, 20_000_000, "g"),
        lambda: report(callers.backend, "k-1", job_id="j-1", execution_id="e-1"),
        lambda: report(
            callers.backend,
            "k-2",
            job_id="j-2",
            execution_id="e-2",
            metrics=[{"metric": "cpu", "quantity": 2, "unit": "cpu-hours"}],
        ),
        lambda: ledger.reverse(Transaction.objects.get(key="k-1").pk, "failed_job"),
    ]
    for number, happens in enumerate(story):
        database_clock(day + timedelta(days=number))
        happens()
    database_clock(None)
    return federation


class TestWho:
    def test_anonymous_may_not(self, federation: Federation, callers: Callers) -> None:
        check_problem(callers.anonymous.get("/entries"), 401)

    def test_a_back_end_may_not(self, federation: Federation, callers: Callers) -> None:
        check_problem(callers.backend.get("/entries"), 403)

    def test_a_stranger_sees_their_own_only(self, life: Federation, callers: Callers) -> None:
        assert callers.charlie.get("/entries").json() == {"items": [], "next": None}

    def test_a_strangers_organisation_is_absent(self, life: Federation, callers: Callers) -> None:
        query = {"organisation": life.alice.personal_organisation}
        check_problem(callers.charlie.get("/entries", query), 404)

    def test_a_colleague_sees_the_shared_ones(self, life: Federation, callers: Callers) -> None:
        report(callers.backend, "k-3", organisation=life.lab, execution_id="e-3")
        (entry,) = callers.bob.get("/entries", {"organisation": life.lab}).json()["items"]
        assert entry["amount"] == "-5.759775"


class TestAnswer:
    def test_is_the_history_with_its_reasons(self, life: Federation, callers: Callers) -> None:
        answer = callers.alice.get("/entries")
        entries = answer.json()["items"]
        assert [
            (one["seq"], one["kind"], one["purpose"], one["amount"], one["balance_after"], one["job_id"])
            for one in entries
        ] == [
            (4, "reversal", "reversal", "5.759775", "17", "j-1"),
            (3, "usage", "usage", "-3", "11.240225", "j-2"),
            (2, "usage", "usage", "-5.759775", "14.240225", "j-1"),
            (1, "grant", "grant", "20", "20", None),
        ]
        assert entries[1]["job"] == "/api/v1/jobs/TerraScope/MEP/j-2"
        assert entries[1]["recorded_at"] == "2026-03-03T12:00:00Z"
        assert entries[3]["job"] is None
        assert answer["Cache-Control"] == "no-store"

    def test_fits_its_description(self, life: Federation, callers: Callers) -> None:
        answer = callers.alice.get("/entries")
        assert len(msgspec.json.decode(answer.content, type=documents.EntryPage, strict=True).items) == 4

    def test_a_job_can_be_opened_from_its_entry(self, life: Federation, callers: Callers) -> None:
        entry = callers.alice.get("/entries", {"kind": "usage"}).json()["items"][0]
        assert callers.alice.send("GET", entry["job"]).json()["job_id"] == "j-2"


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"kind": "usage"}, [3, 2]),
            ({"kind": "reversal"}, [4]),
            ({"kind": "expiry"}, []),
            ({"source": "TerraScope/MEP"}, [4, 3, 2]),
            ({"source": "cdse"}, []),
            ({"job_id": "j-1"}, [4, 2]),
            ({"job_id": "j-1", "kind": "usage"}, [2]),
            ({"from": "2026-03-02T12:00:00Z"}, [4, 3, 2]),
            ({"to": "2026-03-02T12:00:00Z"}, [1]),
            ({"from": "2026-03-02T12:00:00Z", "to": "2026-03-03T13:00:00+01:00"}, [2]),
            ({"min": "0"}, [4, 1]),
            ({"max": "0"}, [3, 2]),
            ({"min": "-5.759775", "max": "-3"}, [3, 2]),
            ({"min": "-5.759774", "max": "-3"}, [3]),
        ],
    )
    def test_narrow(self, life: Federation, callers: Callers, query: dict[str, str], found: list[int]) -> None:
        assert [entry["seq"] for entry in callers.alice.get("/entries", query).json()["items"]] == found

    def test_that_are_none_are_named(self, life: Federation, callers: Callers) -> None:
        values = {
            "kind": ("Usage", "payment", "usage,grant", "\x00"),
            "from": ("yesterday", "2026-03-01", "2026-03-01T00:00:00", "1", "\u0662"),
            "to": ("2026-13-01T00:00:00Z", ""),
            "min": ("many", "1e3", "1_000", "NaN", "0.0000001", "9" * 20, "+1", "1,5"),
            "organisation": ("mine", "0", "-4", str(2**64)),
            "source": ("s" * 201, "s\x00"),
            "job_id": ("j" * 301, "j\x00"),
            "limit": ("many", "1.5", "\u0661", "9" * 30),
            "cursor": ("x", "cD14", "cD0lMDA=", "bz0xJnA9", "\x00", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5"),
            "max": ("Infinity", "", "-9999999999999"),
            "offset": ("10",),
            "page": ("2",),
            "ordering": ("amount",),
            "account": ("1",),
            "transaction__kind": ("usage",),
        }
        assert unnamed(callers.alice, "/entries", values) == []

    def test_that_come_twice_are_named(self, life: Federation, callers: Callers) -> None:
        assert check_problem(callers.alice.get("/entries", {"kind": ["usage", "grant"]}), 400)["field"] == "kind"


class TestPages:
    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
    def test_together_are_the_whole(self, life: Federation, callers: Callers, limit: int) -> None:
        assert [entry["seq"] for entry in pages(callers.alice, "/entries", limit=limit)] == [4, 3, 2, 1]

    def test_do_not_drift_while_entries_arrive(self, life: Federation, callers: Callers) -> None:
        first = callers.alice.get("/entries", {"limit": 2}).json()
        for number in range(3):
            report(callers.backend, f"new-{number}", execution_id=f"new-{number}")
        second = callers.alice.send("GET", first["next"].removeprefix("http://testserver")).json()
        assert [entry["seq"] for entry in first["items"] + second["items"]] == [4, 3, 2, 1]

    def test_keep_their_filters(self, life: Federation, callers: Callers) -> None:
        assert [entry["seq"] for entry in pages(callers.alice, "/entries", limit=1, kind="usage")] == [3, 2]

    @pytest.mark.parametrize(("limit", "rows"), [("0", 1), ("-3", 1), ("1000000", 4)])
    def test_clamp_their_length(self, life: Federation, callers: Callers, limit: str, rows: int) -> None:
        assert len(callers.alice.get("/entries", {"limit": limit}).json()["items"]) == rows


def test_only_reading(federation: Federation, callers: Callers) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = callers.alice.send(method, "/entries")
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("more", [0, 30])
def test_statements_do_not_depend_on_how_many_there_are(
    life: Federation, callers: Callers, django_assert_num_queries: Any, more: int
) -> None:
    for number in range(more):
        report(callers.backend, f"more-{number}", execution_id=f"more-{number}", job_id=f"more-{number}")
    callers.alice.get("/entries")
    with django_assert_num_queries(2):
        assert len(callers.alice.get("/entries").json()["items"]) == 4 + more
