"""Billing plans: what openEO calls kinds of credits, in `billing.plans`, `/me` and the job option `credit-plans`.

A plan is a kind of grant, except that sponsored credits are told apart by who sponsors what. The database has the same
definition as generated columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase

SPONSORED = "sponsored"
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_OTHERS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of grant as openEO shows it; `paid`: its credits were bought. `description` is CommonMark."""

    name: str
    description: str
    paid: bool = False


KINDS = (
    Kind("free", "Credits that everybody gets with their account."),
    Kind("trial", "Credits to try the federation out, for a limited time."),
    Kind(SPONSORED, "Credits that a sponsor pays for a project; each sponsorship is a plan of its own."),
    Kind("voucher", "Credits from a voucher."),
    Kind("paid", "Credits that were bought.", paid=True),
)
"""Every kind of grant."""

DEFAULT = "free"
"""The plan of the federation where nothing else says so."""


def slug(label: str) -> str:
    """Lower case; every run of characters other than a-z and 0-9 becomes one "-", none at the ends.

    Only ASCII letters have a lower case here, so that no locale of a database disagrees.
    """
    return _OTHERS.sub("-", _lower(label)).strip("-")


def plan_of(kind: str, label: str) -> str:
    """The plan of a grant: its kind; of a sponsored one `sponsored-<slug of the label>`."""
    return f"{SPONSORED}-{slug(label)}" if kind == SPONSORED else kind


def matches(name: str, kind: str, label: str) -> bool:
    """Whether a plan that somebody asked for means this grant: it is the plan, the kind or the slug of the label, in
    any case."""
    return _lower(name) in (plan_of(kind, label), kind, slug(label))


def _lower(text: str) -> str:
    return text.translate(_LOWER)
