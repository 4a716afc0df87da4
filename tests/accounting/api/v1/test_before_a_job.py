"""Before the job: what is left, what it would cost, what the report will say, and that all of it comes true."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.accounting.api.v1.conftest import Callers, fresh_key, report_body
from tests.accounting.books import prove
from tests.conftest import Federation

METRICS = [
    {"metric": "cpu", "quantity": "123456.789", "unit": "cpu-seconds", "process": "ndvi"},
    {"metric": "memory", "quantity": 9_876_543, "unit": "mb-seconds"},
    {"metric": "processing", "quantity": "2.5", "unit": "shpu"},
]


def test_a_quote_comes_true_to_the_micro_credit(federation: Federation, callers: Callers) -> None:
    federation.grant(federation.lab, 1_000_000_000, "ESA NoR 4711", kind="sponsored")
    terms = {"organisation": federation.lab, "metrics": METRICS}

    def budget() -> Decimal:
        me: Any = callers.alice.get("/openeo/me", {"organisation": federation.lab}).json()
        assert me["default_plan"] == "sponsored-esa-nor-4711"
        return Decimal(str(me["budget"]))

    # Alice looks at what is left and asks what it would cost; the back end does, and tries its report dry.
    before = budget()
    hers = callers.alice.post("/quotes", {"source": report_body()["source"], **terms}).json()
    theirs = callers.backend.post("/quotes", {"source": hers["source"], "user": "alice@egi.eu", **terms}).json()
    tried = callers.backend.post("/usage-reports?dry_run=true", report_body(**terms)).json()
    assert hers["cost"] == theirs["cost"] == tried["cost"]
    assert hers["lines"] == theirs["lines"]
    assert budget() == before

    # The job ran as foreseen.
    key = {"Idempotency-Key": fresh_key()}
    booked = callers.backend.post("/usage-reports", report_body(**terms), **key).json()
    assert booked["cost"] == hers["cost"]
    assert [line["amount"] for line in booked["lines"]] == [line["amount"] for line in hers["lines"]]
    assert booked["tariff"] == hers["tariff"]["id"]
    assert before - budget() == Decimal(hers["cost"])
    prove()
