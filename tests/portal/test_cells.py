"""What others wrote is no formula in anybody's spreadsheet."""

from __future__ import annotations

import pytest

from portal.cells import harmless


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_what_begins_a_formula_is_a_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize(("value", "cell"), [("NDVI = 1", "NDVI = 1"), ("", ""), (None, ""), (12, "12")])
def test_everything_else_stays(value: object, cell: str) -> None:
    assert harmless(value) == cell
