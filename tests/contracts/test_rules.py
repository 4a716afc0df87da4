"""Every rule that accounting/README.md states is cited by a test, and what is checked is what it states."""

from __future__ import annotations

import re

import pytest

from accounting.invariants import INVARIANTS
from devtools.paths import ROOT

README = (ROOT / "accounting" / "README.md").read_text()
RULES = re.findall(r"^\| ([A-Z]\d+) \|", README, re.MULTILINE)
TESTS = [path for path in (ROOT / "tests").rglob("*.py") if path.name != "test_rules.py"]


def test_each_rule_stands_once() -> None:
    assert len(RULES) > 25
    assert sorted(set(RULES)) == sorted(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_cited_by_a_test(rule: str) -> None:
    # "L6 of the catalogue" is the number of a test in another list.
    cited = re.compile(rf"\b{rule}\b(?! of the catalogue)")
    assert [path.name for path in TESTS if cited.search(path.read_text())] != []


def test_what_verify_ledger_proves_is_what_the_readme_says() -> None:
    (said,) = re.findall(r"`manage.py verify_ledger` proves ([A-Z0-9, and]+) from the rows", README)
    assert set(re.findall(r"[A-Z]\d+", said)) == {invariant.rule for invariant in INVARIANTS}
