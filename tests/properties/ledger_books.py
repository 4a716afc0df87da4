"""The books as a clerk would keep them: a model of wallets, grants and debts that shares no code with accounting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class Grant:
    """`held` of what is `left` is bound to holds, and pays for nothing else."""

    id: int
    left: int
    priority: int
    expires: datetime
    backends: frozenset[int]
    processes: frozenset[str]
    kind: str = "free"
    held: int = 0

    @property
    def free(self) -> int:
        return self.left - self.held

    def covers(self, line: Line, now: datetime) -> bool:
        in_scope = (not self.backends or line.backend in self.backends) and (
            not self.processes or line.process in self.processes
        )
        return in_scope and self.free > 0 and self.expires > now

    def order(self) -> tuple[int, datetime, int]:
        """In which they burn."""
        return self.priority, self.expires, self.id


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
    """`payers` are its grants in the order in which they first paid; `from_hold` and `excess` are those of its hold."""

    transaction: int
    lines: list[Line]
    user: str = ""
    execution: str = ""
    is_capture: bool = False
    stands: bool = True
    payers: list[int] = field(default_factory=list)
    from_hold: int = 0
    excess: int = 0

    @property
    def amount(self) -> int:
        return sum(line.owed + sum(line.paid.values()) for line in self.lines)

    def pay(self, line: Line, grant: Grant, part: int) -> None:
        if part:
            grant.left -= part
            line.owed -= part
            line.paid[grant.id] = line.paid.get(grant.id, 0) + part
            if grant.id not in self.payers:
                self.payers.append(grant.id)


@dataclass
class Wallet:
    posted: int = 0
    grants: list[Grant] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)

    def charge(self, charge: Charge, now: datetime) -> None:
        self.posted -= charge.amount
        self.charges.append(charge)
        for line in charge.lines:
            self.pay(charge, line, now)

    def issue(self, grant: Grant, now: datetime) -> None:
        self.posted += grant.left
        self.grants.append(grant)
        self.settle(now)

    def expire(self, now: datetime) -> None:
        for grant in self.grants:
            if grant.expires <= now:
                self.posted -= grant.free
                grant.left = grant.held

    def reverse(self, charge: Charge, now: datetime) -> None:
        self.give_back(charge)
        self.settle(now)

    def give_back(self, charge: Charge) -> None:
        self.posted += charge.amount
        for line in charge.lines:
            for grant in self.grants:
                grant.left += line.paid.get(grant.id, 0)
            line.owed, line.paid = 0, {}
        charge.stands = False

    def settle(self, now: datetime) -> None:
        """What is free pays what is owed, oldest first."""
        for charge in self.charges:
            for line in charge.lines:
                self.pay(charge, line, now)

    def pay(self, charge: Charge, line: Line, now: datetime) -> None:
        for grant in sorted(self.grants, key=Grant.order):
            if line.owed and grant.covers(line, now):
                charge.pay(line, grant, min(line.owed, grant.free))
