"""Our catalogue of openEO's errors is openEO's list, in the part that we use; what goes beyond it says so (Q4)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounting import errors, openeo_errors
from accounting.errors import DomainError
from accounting.openeo_errors import CATALOGUE
from portal.api import faults

FACTS = json.loads((Path(__file__).parent / "openeo-errors.json").read_text())["errors"]
LIST: dict[str, tuple[int, str]] = {code: (status, message) for code, (status, message) in FACTS.items()}
CAMEL_CASE = re.compile(r"([A-Z][a-z]+)+")
ANSWERED_OTHERWISE = {"EstimateComplexity": 422}
"""On our own API, where a 5xx is a fault of ours; the openEO fragment answers as the catalogue says."""


def domain_errors() -> Iterator[type[DomainError]]:
    waiting = [DomainError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


@pytest.mark.parametrize("error", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_each_is_openeos_or_marked_as_ours(error: openeo_errors.OpenEOError) -> None:
    assert CAMEL_CASE.fullmatch(error.code)
    if error.extension:
        assert error.code not in LIST
    else:
        assert (error.status, error.message) == LIST[error.code]


def test_what_the_money_of_openeo_needs_is_in_it() -> None:
    """Every code of openEO's that is about billing, budgets, estimates or who calls."""
    wanted = {
        code for code in LIST if re.search("Billing|Budget|Payment|Estimate|Authentication|Token|Permissions", code)
    }
    assert len(wanted) == 9
    assert wanted <= CATALOGUE.keys()


def test_domain_errors_with_openeos_codes_have_its_status() -> None:
    found = {kind.code: kind for kind in domain_errors() if CAMEL_CASE.fullmatch(kind.code)}
    assert {"PaymentRequired", "BudgetInvalid", "BillingPlanInvalid", "PermissionsInsufficient"} <= found.keys()
    for code, kind in found.items():
        assert kind.status == ANSWERED_OTHERWISE.get(code, CATALOGUE[code].status), code


def test_every_fault_of_ours_has_a_name_at_openeo() -> None:
    ours = dict.fromkeys(faults.TITLES, 400) | {kind.code: kind.status for kind in domain_errors()}
    for code, status in ours.items():
        named = openeo_errors.find(code, status)
        assert named.code in CATALOGUE
    said = {
        ("authentication_required", 401): ("AuthenticationRequired", 401),
        ("token_invalid", 401): ("TokenInvalid", 403),
        (errors.PersonTokenNeeded.code, 403): ("PermissionsInsufficient", 403),
        ("PaymentRequired", 402): ("PaymentRequired", 402),
        ("EstimateComplexity", 422): ("EstimateComplexity", 500),
        ("not_found", 404): ("NotFound", 404),
        ("invalid_input", 400): ("RequestInvalid", 400),
        ("times_impossible", 422): ("RequestInvalid", 400),
        ("method_not_allowed", 405): ("MethodNotAllowed", 405),
        ("rate_limited", 429): ("RequestRateExceeded", 429),
        ("internal_error", 500): ("Internal", 500),
        ("temporarily_unavailable", 503): ("InfrastructureBusy", 503),
        ("provider_unavailable", 503): ("InfrastructureBusy", 503),
    }
    for (code, status), expected in said.items():
        named = openeo_errors.find(code, status)
        assert (named.code, named.status) == expected
