"""The books as a clerk would keep them: a model of wallets, grants and debts that shares no code with accounting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class Grant:
    id: int
    left: int
    priority: int
    expires: datetime
    backends: frozenset[int]
    processes: frozenset[str]

    def covers(self, line: Line, now: datetime) -> bool:
        in_scope = (not self.backends or line.backend in self.backends) and (
            not self.processes or line.process in self.processes
        )
        return in_scope and self.left > 0 and self.expires > now


@dataclass
class Line:
    """`owed` is what no grant has paid yet; `paid` says which grant paid how much."""

    number: int
    owed: int
    backend: int
    process: str
    paid: dict[int, int] = field(default_factory=dict)


@dataclass
class Charge:
    transaction: int
    lines: list[Line]


@dataclass
class Wallet:
    posted: int = 0
    grants: list[Grant] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)

    def charge(self, charge: Charge, now: datetime) -> None:
        self.posted -= sum(line.owed for line in charge.lines)
        self.charges.append(charge)
        for line in charge.lines:
            self._pay(line, now)

    def issue(self, grant: Grant, now: datetime) -> None:
        self.posted += grant.left
        self.grants.append(grant)
        self._settle(now)

    def expire(self, now: datetime) -> None:
        for grant in self.grants:
            if grant.expires <= now:
                self.posted -= grant.left
                grant.left = 0

    def reverse(self, charge: Charge, now: datetime) -> None:
        for line in charge.lines:
            self.posted += line.owed + sum(line.paid.values())
            for grant in self.grants:
                grant.left += line.paid.get(grant.id, 0)
            line.owed, line.paid = 0, {}
        self._settle(now)

    def _settle(self, now: datetime) -> None:
        for charge in self.charges:
            for line in charge.lines:
                self._pay(line, now)

    def _pay(self, line: Line, now: datetime) -> None:
        for grant in sorted(self.grants, key=lambda g: (g.priority, g.expires, g.id)):
            if line.owed and grant.covers(line, now):
                part = min(line.owed, grant.left)
                grant.left -= part
                line.owed -= part
                line.paid[grant.id] = line.paid.get(grant.id, 0) + part
