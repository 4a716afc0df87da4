"""What a plan is called and what it is found by, whatever people write into labels (Q3)."""

from __future__ import annotations

import re
from string import ascii_lowercase, ascii_uppercase

from hypothesis import example, given
from hypothesis import strategies as st

from accounting import plans
from accounting.models import Grant

LABELS = st.text(max_size=200)
KINDS = st.sampled_from(Grant.Kind.values)
SLUG = re.compile(r"([a-z0-9]+(-[a-z0-9]+)*)?", re.ASCII)


@given(LABELS)
@example("ESA Network of Resources, project 4711")
@example("İstanbul K 7")
def test_a_slug_is_plain_stable_and_keeps_every_letter_and_digit_of_ascii(label: str) -> None:
    slug = plans.slug(label)
    assert SLUG.fullmatch(slug)
    assert plans.slug(slug) == slug
    kept = [one for one in label if one.isascii() and one.isalnum()]
    lowered = "".join(kept).translate(str.maketrans(ascii_uppercase, ascii_lowercase))
    assert slug.replace("-", "") == lowered


@given(KINDS, LABELS)
def test_a_plan_is_the_kind_except_for_what_is_sponsored(kind: str, label: str) -> None:
    plan = plans.plan_of(kind, label)
    assert plan == (f"sponsored-{plans.slug(label)}" if kind == "sponsored" else kind)


@given(KINDS, LABELS, st.data())
def test_a_grant_is_found_by_plan_kind_and_label_in_any_case_and_by_nothing_else(
    kind: str, label: str, data: st.DataObject
) -> None:
    names = {plans.plan_of(kind, label), kind, plans.slug(label)}
    name = data.draw(st.one_of(st.sampled_from(sorted(names)), st.text(max_size=30)))
    mixed = name.upper() if name.isascii() and data.draw(st.booleans()) else name
    asked = "".join(one.lower() if one in ascii_uppercase else one for one in mixed)
    assert plans.matches(mixed, kind, label) == (asked in names)


def test_every_kind_of_grant_is_described_once() -> None:
    assert [kind.name for kind in plans.KINDS] == Grant.Kind.values
    assert [kind.name for kind in plans.KINDS if kind.paid] == ["paid"]
    assert plans.DEFAULT in Grant.Kind.values


def test_examples() -> None:
    label = "ESA Network of Resources, project 4711"
    assert plans.plan_of("sponsored", label) == "sponsored-esa-network-of-resources-project-4711"
    assert plans.matches("Sponsored-ESA-network-of-resources-project-4711", "sponsored", label)
    assert plans.matches("ESA-Network-of-Resources-project-4711", "sponsored", label)
    assert plans.matches("SPONSORED", "sponsored", label)
    assert not plans.matches(label, "sponsored", label)
    assert plans.matches("summer-school-2026", "voucher", "Summer school (2026)")
