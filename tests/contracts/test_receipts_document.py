"""docs/receipts.md: a stranger can compute a charge again with it. Its program runs here on receipts of every model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounting import receipts, registry, tariffs, units, usage
from accounting.models import Job
from accounting.rating import Rule, UsageLine, rate
from accounting.tariffs import RuleSpec
from tests.conftest import ISSUER, Federation
from tests.properties.test_rating import facts, rules, surcharges, usage_lines

DOCUMENT = Path(__file__).parents[2] / "docs" / "receipts.md"
TIERS = ((Decimal(10), Decimal(5)), (Decimal(100), Decimal(1)), (None, Decimal("0.5")))
EVERY_MODEL = (
    RuleSpec("CPU", "cpu", "cpu-hour", Decimal("1.5")),
    RuleSpec(
        "CPU of failed jobs", "cpu", "cpu-hour", Decimal("1.5"), factor=Decimal("0.5"), when={"state": ["FAILED"]}
    ),
    RuleSpec(
        "Memory", "memory", "gb-hour", Decimal(1), free=Decimal("0.25"), minimum=Decimal("0.1"), fee=Decimal("0.1")
    ),
    RuleSpec("Time", "time", "hour", Decimal(2), model="flat"),
    RuleSpec("Area", "area", "km2", model="graduated", tiers=TIERS, beneficiary="publisher:vito", fee=Decimal("0.3")),
    RuleSpec("Units", "processing", "shpu", model="volume", tiers=TIERS),
    RuleSpec("Storage", "storage", "gb-day", Decimal(3), model="package", package=Decimal(10), maximum=Decimal(20)),
    RuleSpec("Overhead", "surcharge", "credit", Decimal("12.5"), model="percentage", beneficiary="platform"),
)


def program() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return str(code)


def run(folder: Path, job: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (folder / "recompute.py").write_text(program())
    (folder / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-I", "recompute.py", "job.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def job(federation: Federation) -> dict[str, Any]:
    """Receipts of the golden vector and of every model, partly covered, as the API answers them."""
    registry.register_source("models", federation.backend, ISSUER)
    registry.register_client(ISSUER, "job-tracker", "job-tracker", ["TerraScope/MEP", "models"])
    tariffs.publish("models", "Every model", EVERY_MODEL, starts_at=datetime.now(UTC) - timedelta(days=1))
    federation.grant(federation.alice.personal_organisation, 20_000_000, "g")
    reports = [federation.report("golden")]
    for number, quantity in enumerate(("0", "0.333", "7", "10", "10.000001", "15.5", "99.99", "100", "123456.789")):
        lines = tuple(
            UsageLine(metric, Decimal(quantity), unit, quantity)
            for metric, unit in (
                ("cpu", "cpu-minutes"),
                ("memory", "mb-hours"),
                ("time", "seconds"),
                ("area", "hectare"),
                ("area", "km2"),
                ("processing", "shpu"),
                ("storage", "gb-days"),
                ("other", "count"),
            )
        )
        for state in ("FINISHED", "FAILED"):
            name = f"{state}-{number}"
            reports.append(federation.report(name, source="models", lines=lines, state=state, execution_id=name))
    outcomes = usage.ingest(federation.client, reports, on_reuse="replay")
    assert {outcome.status for outcome in outcomes} == {"booked"}
    found = receipts.of_jobs(list(Job.objects.values_list("pk", flat=True)))
    return {"receipts": [receipt.as_dict() for each in found.values() for receipt in each]}


def test_the_program_agrees_with_every_receipt(job: dict[str, Any], tmp_path: Path) -> None:
    done = run(tmp_path, job)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("as it should be") == len(job["receipts"]) == 19


def _change_amount(receipt: dict[str, Any]) -> None:
    receipt["lines"][0]["amount"] = "2.124584"


def _change_quantity(receipt: dict[str, Any]) -> None:
    receipt["lines"][1]["reported"] = "13400777"


def _change_cost(receipt: dict[str, Any]) -> None:
    receipt["cost"] = "5.76"


def _change_grant(receipt: dict[str, Any]) -> None:
    receipt["lines"][0]["grants"][0]["amount"] = "2"


@pytest.mark.parametrize("change", [_change_amount, _change_quantity, _change_cost, _change_grant])
def test_the_program_finds_a_receipt_that_is_wrong(
    job: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    golden = next(receipt for receipt in job["receipts"] if receipt["cost"] == "5.759775")
    change(golden)
    done = run(tmp_path, {"receipts": [golden]})
    assert done.returncode != 0
    assert "AssertionError" in done.stderr


def test_the_program_is_short() -> None:
    assert len([line for line in program().splitlines() if line.strip()]) <= 35


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(usage_lines(), max_size=4), st.lists(rules(), max_size=4), surcharges, facts)
def test_every_formula_means_what_rating_does(
    lines: list[UsageLine], cards: list[Rule], extra: list[Rule], known: dict[str, str]
) -> None:
    value = _functions()["value"]
    for line in rate(lines, [*cards, *extra], known):
        unit = units.UNITS[line.unit]
        q = Fraction(line.reported) * unit.numerator / unit.denominator
        assert round(value(line.formula, q) * 1_000_000) == line.amount, line.formula


def _functions() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "recompute"}
    exec(program(), names)  # noqa: S102  # it is our own document
    return names


def test_the_worked_example_is_the_golden_vector(job: dict[str, Any]) -> None:
    golden = next(receipt for receipt in job["receipts"] if receipt["cost"] == "5.759775")
    text = DOCUMENT.read_text()
    for line in golden["lines"]:
        assert f"{line['reported']} * {line['numerator']} / {line['denominator']}" in text
        assert f"| {line['amount']} |" in text


def test_every_field_of_a_line_is_explained(job: dict[str, Any]) -> None:
    text = DOCUMENT.read_text()
    self_evident = {"number", "metric", "process", "collection", "posting"}
    missing = {name for name in job["receipts"][0]["lines"][0] if f"`{name}`" not in text} - self_evident
    assert missing == set()
