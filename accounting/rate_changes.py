"""What changes from one rate card to the next, price by price. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from accounting.credits import EXACT
from accounting.rating import ONE, Rule

Kind = Literal["changed", "added", "removed"]
Direction = Literal["dearer", "cheaper", "mixed", "same"]
Condition = tuple[tuple[str, tuple[str, ...]], ...]

TERMS = ("model", "price", "tiers", "package", "free", "minimum", "maximum", "factor", "fee", "beneficiary")
"""What of a rule can change, in the order in which it is told."""
CENT = Decimal("0.01")
HUNDRED = Decimal(100)
ENDLESS = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Term:
    """One figure of a rule that is another one from now on; None where it is not set."""

    name: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class RuleChange:
    """`old` and `new` price the same case before and after. None: nothing does, it is free.

    Of a case that is `added` or `removed`, the one that is not its own rule is the wider rule that priced it before, or
    does from then on. `percent` is by how much everything costs more (less when negative), to the hundredth; None when
    that depends on how much is used. `direction` is what it means for whoever pays: a fee or a beneficiary alone leaves
    the price the `same`, `mixed` is dearer for some.
    """

    kind: Kind
    old: Rule | None
    new: Rule | None
    terms: tuple[Term, ...]
    percent: Decimal | None
    direction: Direction

    @property
    def rule(self) -> Rule:
        """The rule that names the case."""
        found = self.old if self.kind == "removed" else self.new
        assert found is not None
        return found


def condition_key(when: Mapping[str, Iterable[str]]) -> Condition:
    """The same for conditions that mean the same."""
    return tuple(sorted((name, tuple(sorted(values))) for name, values in when.items()))


def compare(old: Sequence[Rule], new: Sequence[Rule]) -> tuple[RuleChange, ...]:
    """Every case whose price, or whose payee, is another one; in the order of the new card, then what is gone.

    A case is a metric, its unit, and the conditions of a rule. Names alone are no change.
    """
    before, after = _by_case(old), _by_case(new)
    found = []
    for case, rule in after.items():
        earlier = before.get(case)
        found.append(_change("changed" if earlier else "added", earlier or _wider(rule, old), rule))
    for case, rule in before.items():
        if case not in after:
            found.append(_change("removed", rule, _wider(rule, new)))
    return tuple(change for change in found if _matters(change))


def _by_case(rules: Sequence[Rule]) -> dict[tuple[str, str, Condition], Rule]:
    """Of equals the first one prices (R3)."""
    found: dict[tuple[str, str, Condition], Rule] = {}
    for rule in rules:
        found.setdefault((rule.metric, rule.canonical_unit, condition_key(rule.when)), rule)
    return found


def _wider(rule: Rule, others: Sequence[Rule]) -> Rule | None:
    """The narrowest of the others that prices all of what `rule` does."""
    best: Rule | None = None
    for other in others:
        same = (other.metric, other.canonical_unit) == (rule.metric, rule.canonical_unit)
        covers = all(rule.when.get(name) and rule.when[name] <= values for name, values in other.when.items())
        if same and covers and (best is None or len(other.when) > len(best.when)):
            best = other
    return best


def _change(kind: Kind, old: Rule | None, new: Rule | None) -> RuleChange:
    ratio = _ratio(old, new)
    percent = None if ratio is None else EXACT.quantize(EXACT.multiply(EXACT.subtract(ratio, ONE), HUNDRED), CENT)
    return RuleChange(kind, old, new, _terms(old, new), percent, _direction(old, new, ratio))


def _matters(change: RuleChange) -> bool:
    """Not a special case that costs what it would cost without it, nor a free one beside nothing."""
    if change.old is None or change.new is None:
        return change.direction != "same"
    return bool(change.terms)


def _terms(old: Rule | None, new: Rule | None) -> tuple[Term, ...]:
    if old is None or new is None:
        return ()
    pairs = ((name, getattr(old, name), getattr(new, name)) for name in TERMS)
    return tuple(Term(name, before, after) for name, before, after in pairs if before != after)


def _charges(rule: Rule | None) -> list[Decimal]:
    """The figures that scale with the price: nothing for a case that nothing prices."""
    if rule is None:
        return []
    figures = [price for _, price in rule.tiers] if rule.tiers else [rule.price]
    figures += [bound for bound in (rule.minimum, rule.maximum) if bound is not None]
    return [EXACT.multiply(figure, rule.factor) for figure in figures]


def is_free(rule: Rule | None) -> bool:
    """Whether what it prices costs nothing, however much it is."""
    if rule is None:
        return True
    prices = [price for _, price in rule.tiers] if rule.tiers else [rule.price]
    return rule.factor == 0 or rule.maximum == 0 or not (any(prices) or rule.minimum)


def _shape(rule: Rule) -> tuple[object, ...]:
    """What must be the same for two prices to differ by one percentage."""
    bounds = tuple(bound for bound, _ in rule.tiers)
    return rule.model, bounds, rule.package, rule.free, rule.minimum is None, rule.maximum is None


def _ratio(old: Rule | None, new: Rule | None) -> Decimal | None:
    """What every price is multiplied with; None when there is no such number."""
    if old is None or is_free(old):
        return ONE if is_free(new) else None
    if new is None or is_free(new):
        return Decimal(0)
    if _shape(old) != _shape(new):
        return None
    pairs = list(zip(_charges(old), _charges(new), strict=True))
    if any(before == 0 and after != 0 for before, after in pairs):
        return None
    ratios = {EXACT.divide(after, before) for before, after in pairs if before}
    return ratios.pop() if len(ratios) == 1 else None


def _direction(old: Rule | None, new: Rule | None, ratio: Decimal | None) -> Direction:
    if old is None or new is None or is_free(old) or is_free(new):
        return "same" if is_free(old) and is_free(new) else "dearer" if is_free(old) else "cheaper"
    signs = _signs(old, new) if ratio is None else [EXACT.subtract(ratio, ONE)]
    if all(sign == 0 for sign in signs):
        return "same"
    if all(sign >= 0 for sign in signs):
        return "dearer"
    return "cheaper" if all(sign <= 0 for sign in signs) else "mixed"


def _signs(old: Rule, new: Rule) -> list[Decimal]:
    """Of each figure whether it makes the price higher (1) or lower (-1). What cannot be compared counts as both."""
    if old.model != new.model or [bound for bound, _ in old.tiers] != [bound for bound, _ in new.tiers]:
        return [Decimal(1), Decimal(-1)]
    pairs = [(old.price, new.price), (new.free, old.free), (new.package, old.package), (old.factor, new.factor)]
    pairs += [(before, after) for (_, before), (_, after) in zip(old.tiers, new.tiers, strict=True)]
    pairs.append((old.minimum or Decimal(0), new.minimum or Decimal(0)))
    pairs.append((ENDLESS if old.maximum is None else old.maximum, ENDLESS if new.maximum is None else new.maximum))
    return [Decimal((after > before) - (after < before)) for before, after in pairs]
