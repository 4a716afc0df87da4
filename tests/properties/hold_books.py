"""Holds as a clerk would keep them, on top of `ledger_books`; shares no code with accounting (H1 to H12)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from tests.properties.ledger_books import Charge, Grant, Line, Wallet


@dataclass
class Terms:
    """What a hold was asked for with; nothing of it ever changes but `amount`, which grows."""

    source: str
    backend: int
    user: str
    organisation: int
    job: str
    execution: str
    amount: int
    budget: int | None
    plans: tuple[str, ...]
    lifetime: timedelta


@dataclass
class Hold:
    """`bound` keeps grants in the order in which they pay; `unbacked` is kept on overdraft. `end`: its fate."""

    id: int
    uuid: UUID
    terms: Terms
    expires: datetime
    parent: Hold | None = None
    bound: list[tuple[Grant, int]] = field(default_factory=list)
    unbacked: int = 0
    is_open: bool = True
    end: str | None = None
    charges: list[Charge] = field(default_factory=list)
    surplus: int = 0
    """Of what captures gave back, what the hold had not paid: bound for the next charge only."""
    refilled: dict[int, int] = field(default_factory=dict)
    """What came back to grants for certain processes, which pay it again although they expired meanwhile."""

    @property
    def remaining(self) -> int:
        return self.unbacked + sum(amount for _, amount in self.bound)

    def lives(self, now: datetime) -> bool:
        return self.is_open and self.expires > now

    def add(self, bound: list[tuple[Grant, int]], unbacked: int) -> None:
        """What the same grant has bound twice stands where it stood first."""
        merged = {grant.id: (grant, amount) for grant, amount in self.bound}
        for grant, amount in bound:
            merged[grant.id] = grant, merged.get(grant.id, (grant, 0))[1] + amount
        self.bound = [(grant, amount) for grant, amount in merged.values() if amount]
        self.unbacked += unbacked

    def lend(self, amount: int) -> tuple[list[tuple[Grant, int]], int]:
        """Takes a part out: what grants back first, in their order."""
        taken, unbacked = take(self.bound, amount)
        self.add([(grant, -part) for grant, part in taken], -unbacked)
        return taken, unbacked


def take(offered: list[tuple[Grant, int]], amount: int) -> tuple[list[tuple[Grant, int]], int]:
    taken: list[tuple[Grant, int]] = []
    for grant, free in offered:
        part = min(amount, free)
        if part:
            taken.append((grant, part))
            amount -= part
    return taken, amount


@dataclass
class HoldingWallet(Wallet):
    overdraft: int = 0
    holds: list[Hold] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    """Of all time, by user; "" is for everybody."""

    @property
    def open_ones(self) -> list[Hold]:
        return [hold for hold in self.holds if hold.is_open]

    # --- reserving

    def offer(self, terms: Terms, now: datetime) -> tuple[list[tuple[Grant, int]], int]:
        """What grants would back of a new hold, in order, and what the floor allows beyond."""

        def place(grant: Grant) -> int | None:
            return terms.plans.index(grant.kind) if grant.kind in terms.plans else None if terms.plans else 0

        usable = [grant for grant in self.grants if grant.expires > now]
        owed = sum(line.owed for charge in self.charges for line in charge.lines)
        net = sum(grant.free for grant in usable) - sum(hold.unbacked for hold in self.open_ones) - owed
        fitting = [
            grant
            for grant in usable
            if grant.free and not grant.processes and (not grant.backends or terms.backend in grant.backends)
        ]
        listed = sorted((p, g.priority, g.expires, g.id, g) for g in fitting if (p := place(g)) is not None)
        offered, _ = take([(grant, grant.free) for *_, grant in listed], max(net, 0))
        return offered, max(self.overdraft + min(net, 0), 0)

    def within_limits(self, user: str, now: datetime) -> int | None:
        rooms = []
        for name, most in self.limits.items():
            if name in ("", user):
                kept = sum(h.remaining for h in self.holds if h.lives(now) and name in ("", h.terms.user))
                rooms.append(most - self.spent(name) - kept)
        return min(rooms, default=None)

    def spent(self, name: str) -> int:
        return sum(charge.amount for charge in self.charges if charge.stands and name in ("", charge.user))

    def refusal(self, terms: Terms, amount: int, kept: int, now: datetime) -> str | None:
        offered, spare = self.offer(terms, now)
        room = self.within_limits(terms.user, now)
        if terms.budget is not None and amount > terms.budget - kept:
            return "over_budget"
        if room is not None and amount > room:
            return "over_limit"
        return "no_credit" if amount > sum(free for _, free in offered) + spare else None

    def bind(self, hold: Hold, amount: int, now: datetime) -> None:
        """Reserves for the hold what was offered."""
        bound, unbacked = take(self.offer(hold.terms, now)[0], amount)
        for grant, part in bound:
            grant.held += part
        hold.add(bound, unbacked)

    # --- ending

    def close(self, hold: Hold, end: str | None, now: datetime) -> None:
        """What is left goes to a living parent, else it is free. `end` None: only what was left over went."""
        if hold.parent is not None and hold.parent.lives(now):
            hold.parent.add(hold.bound, hold.unbacked)
        else:
            for grant, amount in hold.bound:
                grant.held -= amount
        hold.bound, hold.unbacked, hold.is_open = [], 0, False
        hold.end = hold.end or end

    def sweep(self, now: datetime) -> None:
        due = [hold for hold in self.open_ones if hold.expires <= now]
        for hold in due:
            self.close(hold, "expired", now)
        if due:
            self.settle(now)

    # --- paying

    def restore(self, hold: Hold, now: datetime) -> list[Charge]:
        """Takes back what captures charged under the hold, and binds it again; returns them."""
        taken_back = [charge for charge in hold.charges if charge.is_capture and charge.stands]
        for charge in taken_back:
            if not hold.is_open:
                hold.is_open, hold.expires = True, now
            paid = {grant.id: sum(line.paid.get(grant.id, 0) for line in charge.lines) for grant in self.grants}
            known = {grant.id: grant for grant in self.grants if not grant.processes}
            back = [(known[id], paid[id]) for id in charge.payers if id in known and paid[id]]
            self.give_back(charge)
            for grant, amount in back:
                grant.held += amount
            from_grants = sum(amount for _, amount in back)
            hold.add(back, max(charge.from_hold - from_grants, 0))
            hold.surplus += max(from_grants - charge.from_hold, 0)
            for id, amount in paid.items():
                if id not in known and amount:
                    hold.refilled[id] = hold.refilled.get(id, 0) + amount
        return taken_back

    def burn(self, hold: Hold, charge: Charge, now: datetime) -> None:
        """Grants for that very process, then what the hold has bound, then its overdraft; the rest is still owed."""
        for line in charge.lines:
            for grant in sorted(self.grants, key=Grant.order):
                listed = not hold.terms.plans or grant.kind in hold.terms.plans
                late = grant.expires <= now
                if grant.processes and listed and grant.covers(line, now - timedelta(days=10_000) if late else now):
                    most = min(grant.free, hold.refilled.get(grant.id, 0)) if late else grant.free
                    part = min(line.owed, most)
                    charge.pay(line, grant, part)
                    if late:
                        hold.refilled[grant.id] = hold.refilled.get(grant.id, 0) - part
            for place, (grant, amount) in enumerate(hold.bound):
                part = min(line.owed, amount)
                grant.held -= part
                charge.pay(line, grant, part)
                charge.from_hold += part
                hold.bound[place] = grant, amount - part
            part = min(line.owed, hold.unbacked)
            hold.unbacked -= part
            charge.from_hold += part
            charge.excess += line.owed - part

    def trim(self, hold: Hold, amount: int) -> None:
        """A hold does not grow by captures that went beyond it: what it bound last is free first."""
        if not amount:
            return
        taken, unbacked = take(hold.bound[::-1], amount)
        for grant, part in taken:
            grant.held -= part
        hold.add([(grant, -part) for grant, part in taken], -unbacked)

    def book(self, charges: list[tuple[Charge, Hold | None, bool]], now: datetime) -> None:
        """A batch: (charge, its hold, whether it is the last of the job). What was captured has been restored."""
        for charge, hold, last in charges:
            self.posted -= charge.amount
            if hold is None:
                continue
            hold.charges.append(charge)
            if hold.is_open:
                self.burn(hold, charge, now)
                self.trim(hold, min(hold.remaining, hold.surplus))
                hold.surplus, hold.refilled = 0, {}
                if last or hold.end:
                    self.close(hold, "captured", now)
        for charge, _, _ in sorted(charges, key=lambda one: one[1] is not None):
            self.charges.append(charge)
            for line in charge.lines:
                self.pay(charge, line, now)
        if any(hold for _, hold, _ in charges):
            self.settle(now)


def belongs(hold: Hold, source: str, job: str, run: str) -> bool:
    """Whether a report of that job and execution may belong to the hold."""
    terms = hold.terms
    same_run = run != "" and terms.execution == run
    same_job = terms.job == job and (terms.execution == "" or run == "" or same_run)
    if terms.source != source or not (same_job or same_run):
        return False
    if hold.is_open:
        return True
    if hold.end == "released" and not hold.charges:
        return False
    return same_run or not any(_of_another_run(charge, run) for charge in hold.charges)


def _of_another_run(charge: Charge, run: str) -> bool:
    if charge.is_capture:
        return "" not in (run, charge.execution) and charge.execution != run
    return run == "" or charge.execution != run


def closest(holds: list[Hold], run: str) -> Hold | None:
    """Open ones first, then those of that very execution, then the newest."""
    return max(holds, key=lambda hold: (hold.is_open, hold.terms.execution == run, hold.id), default=None)


__all__ = ["Grant", "Hold", "HoldingWallet", "Line", "Terms", "belongs", "closest", "take"]
