"""How an organisation of the demonstration is run: who may spend what, for which purpose, who is asked to join."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from accounting import limits, organisations, projects, queries
from accounting.credits import MICROS
from accounting.limits import Move, Terms
from devtools.demonstration.acts import Act
from devtools.demonstration.people import find
from devtools.demonstration.stage import Stage
from portal import invitations

LAB = "forest"
PROJECTS = (
    ("wildfire", "Wildfire watch", 500, False),
    ("forest-loss", "Tree cover loss Europe", 400, True),
    ("training", "Courses and workshops", 60, False),
)
"""Short name, name, credits a month, and whether the organisation pays beyond them."""


def acts(until: datetime) -> Iterator[Act]:
    yield Act(until - timedelta(hours=59), _budget)
    yield Act(until - timedelta(hours=50), _limit)
    yield Act(until - timedelta(hours=28), _move)
    yield Act(until - timedelta(hours=3), _invite)


def _budget(stage: Stage) -> None:
    """Half as much again as was spent so far this month, but room for what runs."""
    lab, owner = stage.wallets[LAB], _person(stage, "ines")
    today = queries.balance(lab).as_of
    spent = queries.spent(lab, today.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    most = max(4000, spent * 3 // (2 * MICROS) // 500 * 500 + 2000)
    limits.change(lab, most * MICROS, Terms("month"), actor=owner)
    for slug, name, amount, fallback in PROJECTS:
        project = projects.create(lab, slug, name, actor=owner)
        limits.change(lab, amount * MICROS, Terms("month", project=project, fallback=fallback), actor=owner)
    projects.archive(lab, projects.create(lab, "pilot-2025", "Pilot 2025", actor=owner), actor=owner)


def _limit(stage: Stage) -> None:
    lab, manager = stage.wallets[LAB], _person(stage, "jonas")
    luca = _person(stage, "luca")
    eodc = next(one.id for one in queries.backends() if one.slug == "eodc")
    limits.change(lab, 1500 * MICROS, Terms("month", person=luca), actor=manager)
    limits.change(lab, 20_000 * MICROS, Terms("year", "notify", backend=eodc), actor=manager)
    limits.change(lab, 800 * MICROS, Terms("month", "notify", process="biopar"), actor=manager)
    limits.change(lab, 600 * MICROS, Terms("job"), actor=manager)


def _move(stage: Stage) -> None:
    lab = stage.wallets[LAB]
    made = {one.slug: one.id for one in projects.of(lab)}
    terms = Move("month", made["training"], made["forest-loss"], 20 * MICROS, "The autumn course was cancelled")
    limits.move(lab, terms, actor=_person(stage, "ines"))


def _invite(stage: Stage) -> None:
    lab, owner = stage.wallets[LAB], _person(stage, "ines")
    invitations.invite(lab, "maren.holt@example.org", "developer", actor=owner)
    invitations.invite(lab, "audit@example.org", "viewer", actor=owner)


def _person(stage: Stage, login: str) -> int:
    return organisations.ensure_person(stage.issuer, find(login).sub).pk
