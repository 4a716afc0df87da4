"""The lives of `ledger_machine` with holds: reserved, grown, heard from, captured, reported, released and forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, multiple, precondition, rule

from accounting import captures, holds, limits, organisations, usage
from accounting.errors import DomainError, HoldNotOpen
from accounting.holds import Payer, Request, Reserved
from accounting.usage import UsageLine, UsageReport
from tests.properties import hold_figures as figures
from tests.properties import ledger_world as world
from tests.properties.hold_books import Hold, HoldingWallet, Terms, belongs, closest
from tests.properties.ledger_books import Charge
from tests.properties.ledger_machine import AMOUNTS, HOURS, PROCESSES, QUANTITIES, LedgerMachine, Sent, terms

PLANS = st.sampled_from([(), (), (), ("free",), ("paid", "free"), ("paid",)])
WHICH = st.integers(0, 30)
SMALL = st.sampled_from([370, 2_000_000, 9_000_000]) | st.integers(1, 12_000_000)
LINES = st.lists(st.tuples(st.sampled_from(list(world.UNITS)), QUANTITIES, PROCESSES), min_size=1, max_size=3)


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """A hold to be opened; mostly of the lab, where it meets others."""
    return {
        "source": draw(st.sampled_from(list(world.PRICES))),
        "user": draw(st.sampled_from(["alice", "bob"])),
        "payer": draw(st.sampled_from(["lab", "lab", "lab", None])),
        "job": draw(st.sampled_from(["k1", "k2"])),
        "execution": draw(st.sampled_from(["", "", "x1", "x2"])),
        "amount": draw(SMALL | AMOUNTS),
        "budget": draw(st.sampled_from([None, None, 30_000_000])),
        "plans": draw(PLANS),
        "hours": draw(st.sampled_from([1, 24, 24 * 4])),
    }


class HoldMachine(LedgerMachine):
    """What the ledger's machine does to a wallet, and holds; richer, so that more than refusals happens."""

    wallet_type = HoldingWallet
    start = report_many = report_nonsense = reuse_key = None  # type: ignore[assignment]  # the ledger's alone

    @initialize(rich=st.lists(st.tuples(terms(), SMALL), min_size=2, max_size=5))
    def start_rich(self, rich: list[tuple[dict[str, Any], int]]) -> None:
        self.begin()
        self.holds: list[Hold] = []
        for grant, amount in rich:
            self.issue("lab", grant | {"amount": 20_000_000 + amount})
        self.issue("alice", rich[0][0] | {"amount": 30_000_000})

    def wallet(self, organisation: int) -> HoldingWallet:
        return cast(HoldingWallet, self.wallets[organisation])

    def pick(self, which: int) -> Hold:
        """Mostly one that lives, for most of what happens to others is a refusal."""
        living = [hold for hold in self.holds if hold.lives(self.now)] if which % 4 else []
        among = living or self.holds
        return among[which % len(among)]

    # --- reserving

    @rule(wish=wishes())
    def reserve(self, wish: dict[str, Any]) -> None:
        organisation = self.federation.shared["lab"] if wish["payer"] else self.current[wish["user"]]
        terms = self.terms(wish, organisation)
        wallet = self.wallet(organisation)
        refusal = wallet.refusal(terms, terms.amount, 0, self.now)
        if refusal and any(hold.expires <= self.now for hold in wallet.open_ones):
            wallet.sweep(self.now)
            refusal = wallet.refusal(terms, terms.amount, 0, self.now)
        made = self.ask(wish, terms, None, refusal)
        if made:
            hold = self.keep(made, terms, None)
            wallet.bind(hold, terms.amount, self.now)

    @precondition(lambda self: self.holds)
    @rule(wish=wishes(), which=WHICH)
    def reserve_part(self, wish: dict[str, Any], which: int) -> None:
        """A child takes what its parent keeps; it has the parent's user and payer."""
        parent = self.pick(which)
        parent = parent.parent or parent
        terms = self.terms(wish | {"user": parent.terms.user}, parent.terms.organisation)
        refusal = None if parent.lives(self.now) else "parent_not_open"
        if not refusal and (terms.amount > parent.remaining or terms.amount > (terms.budget or terms.amount)):
            refusal = "over_budget"
        made = self.ask(wish | {"user": parent.terms.user, "payer": None}, terms, parent, refusal)
        if made:
            hold = self.keep(made, terms, parent)
            hold.add(*parent.lend(terms.amount))
            parent.expires = max(parent.expires, self.now + terms.lifetime)

    def terms(self, wish: dict[str, Any], organisation: int) -> Terms:
        backend, life = self.federation.backends[wish["source"]], timedelta(hours=wish["hours"])
        return Terms(
            wish["source"],
            backend,
            wish["user"],
            organisation,
            wish["job"],
            wish["execution"],
            wish["amount"],
            wish["budget"],
            wish["plans"],
            life,
        )

    def ask(self, wish: dict[str, Any], terms: Terms, parent: Hold | None, refusal: str | None) -> Reserved | None:
        """Asks twice with one key; both are refused for that reason, or the second is the first again."""
        self.keys += 1
        organisation = self.federation.shared["lab"] if wish["payer"] else None
        request = Request(
            Payer(terms.source, terms.user, organisation=organisation, plans=terms.plans),
            terms.job,
            terms.amount,
            f"hold {self.keys}",
            execution_id=terms.execution or None,
            budget=terms.budget,
            parent=parent.uuid if parent else None,
            lifetime=terms.lifetime,
        )
        if refusal:
            assert self.refused(holds.reserve, self.federation.client, request) == refusal
            return None
        first, second = (holds.reserve(self.federation.client, request) for _ in range(2))
        assert (first.id, first.replayed, second.replayed) == (second.id, False, True)
        return first

    def refused(self, call: Any, *arguments: Any) -> str | None:
        try:
            call(*arguments)
        except DomainError as error:
            return str(error.extra.get("reason") or error.code)
        return None

    def keep(self, made: Reserved, terms: Terms, parent: Hold | None) -> Hold:
        hold = Hold(made.pk, made.id, terms, self.now + terms.lifetime, parent)
        self.holds.append(hold)
        self.wallet(terms.organisation).holds.append(hold)
        return hold

    @precondition(lambda self: self.holds)
    @rule(which=WHICH, amount=SMALL)
    def grow(self, which: int, amount: int) -> None:
        hold = self.pick(which)
        wallet, terms = self.wallet(hold.terms.organisation), hold.terms
        refusal: str | None = None if hold.lives(self.now) else HoldNotOpen.code
        parent = hold.parent
        if not refusal and parent:
            over = terms.budget is not None and amount > terms.budget - terms.amount
            refusal = "over_budget" if over or not parent.lives(self.now) or amount > parent.remaining else None
        elif not refusal:
            refusal = wallet.refusal(terms, amount, terms.amount, self.now)
        self.keys += 1
        for _ in range(2):
            found = self.refused(holds.extend, self.federation.client, hold.uuid, amount, f"more {self.keys}")
            assert found == refusal
        if not refusal:
            if parent:
                hold.add(*parent.lend(amount))
            else:
                wallet.bind(hold, amount, self.now)
            terms.amount += amount

    # --- living and ending

    @precondition(lambda self: self.holds)
    @rule(which=WHICH, hours=HOURS)
    def beat(self, which: int, hours: int) -> None:
        hold = self.pick(which)
        until = self.now + timedelta(hours=hours)
        refused = self.refused(self.say_it_lives, hold, timedelta(hours=hours))
        assert refused == (None if hold.lives(self.now) else HoldNotOpen.code)
        if not refused:
            for one in (hold, hold.parent):
                if one and one.lives(self.now):
                    one.expires = max(one.expires, until)

    def say_it_lives(self, hold: Hold, lifetime: timedelta) -> None:
        holds.beat(self.federation.client, hold.uuid, lifetime=lifetime)

    @precondition(lambda self: self.holds)
    @rule(which=WHICH)
    def release(self, which: int) -> None:
        hold = self.pick(which)
        again = hold.end == "released"
        refused = self.refused(holds.release, self.federation.client, hold.uuid)
        assert refused == (None if hold.lives(self.now) or again else HoldNotOpen.code)
        if not refused and not again:
            wallet = self.wallet(hold.terms.organisation)
            wallet.close(hold, "released", self.now)
            wallet.settle(self.now)

    @rule()
    def sweep(self) -> None:
        due = sum(hold.is_open and hold.expires <= self.now for hold in self.holds)
        assert holds.expire_due() == due
        for organisation in self.wallets:
            self.wallet(organisation).sweep(self.now)

    # --- paying

    @precondition(lambda self: self.holds)
    @rule(which=WHICH, said=st.lists(LINES, min_size=1, max_size=3), final=st.booleans())
    def capture(self, which: int, said: list[list[Any]], final: bool) -> None:
        """Several, each in place of the one before; the last may end the hold."""
        hold = self.pick(which)
        for n, lines in enumerate(said, start=1):
            self.capture_once(hold, lines, final=final and n == len(said))

    def capture_once(self, hold: Hold, lines: list[Any], *, final: bool) -> None:
        self.keys += 1
        said = {"key": f"capture {self.keys}", "raw": "{}", "final": final}
        used = tuple(UsageLine(m, Decimal(q), world.UNITS[m], str(q), process) for m, q, process in lines)
        if not hold.lives(self.now):
            assert self.refused(self.say_it_used, hold, used, said) == HoldNotOpen.code
            return
        outcomes = [self.say_it_used(hold, used, said) for _ in range(2)]
        assert [outcome.status for outcome in outcomes] == ["booked", "replayed"]
        made, booking = outcomes[0].transaction, outcomes[0].booking
        assert made is not None
        assert booking is not None
        self.pay([(booking.report, made, hold, final)])

    def say_it_used(self, hold: Hold, lines: tuple[UsageLine, ...], said: dict[str, Any]) -> usage.Outcome:
        return captures.capture(self.federation.client, hold.uuid, lines, **said)

    @precondition(lambda self: self.holds)
    @rule(
        target=LedgerMachine.sent,
        whose=st.lists(WHICH, min_size=1, max_size=3),
        lines=LINES,
        run=st.sampled_from(["", "x1", "x2"]),
        state=st.sampled_from(["FINISHED", "FINISHED", "RUNNING"]),
        endpoint=st.sampled_from(["resources", "resources", "addedvalue"]),
        payer=st.sampled_from([None, None, "lab"]),
    )
    def finish(self, whose: list[int], lines: list[Any], **told: str) -> Any:
        """Reports of jobs that have holds, one or several at once; the first line also of each that follows."""
        chosen = [self.pick(which) for which in whose]
        reports = [self.own_report(hold, lines if n == 0 else lines[:1], told) for n, hold in enumerate(chosen)]
        owners = [self.owner(report) for report in reports]
        outcomes = usage.ingest(self.federation.client, reports, on_reuse="replay")
        assert {outcome.status for outcome in outcomes} == {"booked"}
        due = [hold for hold in owners if hold and hold.is_open and hold.expires <= self.now]
        for hold in due:
            self.wallet(hold.terms.organisation).sweep(self.now)
        made = [outcome.transaction or 0 for outcome in outcomes]
        lasts = [report.ends_hold for report in reports]
        self.pay(list(zip(reports, made, owners, lasts, strict=True)))
        return multiple(*(Sent(r, o.answer, m) for r, o, m in zip(reports, outcomes, made, strict=True)))

    def own_report(self, hold: Hold, lines: list[Any], told: dict[str, str]) -> UsageReport:
        draft = {
            "endpoint": told["endpoint"],
            "source": hold.terms.source,
            "user": hold.terms.user,
            "payer": told["payer"],
            "execution_id": told["run"] or None,
            "lines": lines,
            "late": 0,
            "job_id": hold.terms.job,
        }
        return replace(self.compose(draft, keyed=True), state=told["state"])

    def owner(self, report: UsageReport) -> Hold | None:
        run = report.execution_id or ""
        member = report.organisation in self.federation.shared.values()
        found = [
            hold
            for hold in self.holds
            if hold.terms.user == report.user
            and belongs(hold, report.source, report.job_id, run)
            and (not member or hold.terms.organisation == report.organisation)
        ]
        return closest(found, run)

    def pay(self, batch: list[tuple[UsageReport, int, Hold | None, bool]]) -> None:
        payers = [hold.terms.organisation if hold else self.payer(report) for report, _, hold, _ in batch]
        for report, _, hold, _ in batch:
            if hold and report.endpoint != "addedvalue":
                for charge in self.wallet(hold.terms.organisation).restore(hold, self.now):
                    self.undo(charge.transaction)
        charges: dict[int, list[tuple[Charge, Hold | None, bool]]] = {}
        for (report, made, hold, last), payer in zip(batch, payers, strict=True):
            charges.setdefault(payer, []).append((self.price(report, payer, made), hold, last))
        held = any(hold for _, _, hold, _ in batch)
        for payer, own in charges.items():
            self.wallet(payer).book(own, self.now)
            if held:
                self.wallet(payer).settle(self.now)

    # --- rules of the organisation

    @rule(amount=st.sampled_from([0, 0, 20_000_000]))
    def allow_overdraft(self, amount: int) -> None:
        organisation = self.federation.shared["lab"]
        limits.set_rules(organisation, overdraft=amount)
        self.wallet(organisation).overdraft = amount

    @rule(user=st.sampled_from(["", "alice"]), amount=st.sampled_from([None, 25_000_000, 60_000_000]))
    def limit(self, user: str, amount: int | None) -> None:
        organisation = self.federation.shared["lab"]
        person = organisations.find_person(world.ISSUER, user) if user else None
        limits.set_limit(organisation, amount, period="total", person=person.pk if person else None)
        known = self.wallet(organisation).limits
        known.pop(user, None)
        if amount is not None:
            known[user] = amount

    # --- what must hold after every step

    @invariant()
    def holds_agree(self) -> None:
        if not hasattr(self, "holds"):
            return
        wallets = {o: self.wallet(o).open_ones for o in self.wallets}
        expected = {o: (sum(h.remaining for h in kept), len(kept)) for o, kept in wallets.items()}
        assert figures.held() == expected
        kept = {h.id: ([(g.id, a) for g, a in h.bound if a], h.unbacked, h.expires) for h in self.holds if h.is_open}
        assert figures.open_holds() == kept
        assert figures.ends() == {h.id: h.end for h in self.holds if h.end}
        assert figures.bound() == {g.id: g.held for w in self.wallets.values() for g in w.grants if g.held}
        charged = {c.transaction: (c.from_hold, c.excess) for h in self.holds for c in h.charges}
        assert {made: two for made, two in figures.captured().items() if any(two)} == {
            made: two for made, two in charged.items() if any(two)
        }
        lab = self.wallet(self.federation.shared["lab"])
        assert figures.limits() == {name: (most, lab.spent(name)) for name, most in lab.limits.items()}
