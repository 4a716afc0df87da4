"""Rate cards: publish a version for a source and a period, and read the one in force.

T1 published is immutable, T2 periods of a source never overlap, T3 a tariff that may raise a price starts only after
the announcement period. Rules are plain data; what they mean is `accounting.rating`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.db.utils import IntegrityError

from accounting.credits import EXACT
from accounting.errors import NotFound, TariffInvalid
from accounting.models import RatingRule, Source, Tariff
from accounting.rate_changes import condition_key
from accounting.rating import CONDITIONS, SURCHARGE, Model, Rule
from accounting.units import METRIC_UNITS, UNITS

LARGEST_NUMBER = Decimal(10) ** 12
SMALLEST_STEP = Decimal("1E-12")
BENEFICIARY = re.compile(r"provider|platform|publisher:[!-~]{1,80}", re.ASCII)
MODELS = ("per_unit", "flat", "package", "graduated", "volume", "percentage")
ANNOUNCEMENT = timedelta(days=14)
"""How long ahead a price increase must be published; the setting TARIFF_ANNOUNCEMENT_DAYS overrides it."""


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """A rule to be published; fields as in `accounting.rating.Rule`."""

    name: str
    metric: str
    canonical_unit: str
    price: Decimal = Decimal(0)
    model: str = "per_unit"
    tiers: Sequence[tuple[Decimal | None, Decimal]] = ()
    package: Decimal = Decimal(1)
    free: Decimal = Decimal(0)
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    factor: Decimal = Decimal(1)
    fee: Decimal = Decimal(0)
    beneficiary: str = "provider"
    when: Mapping[str, Sequence[str]] = field(default_factory=dict)


def publish(
    source_id: str,
    name: str,
    rules: Sequence[RuleSpec],
    *,
    starts_at: datetime,
    ends_at: datetime | None = None,
    note: str = "",
) -> int:
    """A new version of the source's tariff, in force during `[starts_at, ends_at)`; ends the open one before it.

    :raises NotFound: the source is not registered.
    :raises TariffInvalid: a rule that cannot be understood, a period already taken, or an increase announced too late.
    """
    source = Source.objects.filter(source_id=source_id).first()
    if source is None:
        raise NotFound(f"the source {source_id} is not registered", field="source")
    if ends_at is not None and ends_at <= starts_at:
        raise TariffInvalid("a tariff ends after it starts", field="ends_at")
    for position, rule in enumerate(rules):
        _check_rule(rule, f"rules[{position}]")
    _check_ambiguity(rules)
    with transaction.atomic():
        Source.objects.select_for_update().get(pk=source.pk)
        now = _database_now()
        before = Tariff.objects.filter(source=source, starts_at__lt=starts_at).order_by("-starts_at").first()
        if before:
            _check_announcement(before, rules, starts_at, now)
        if before and before.ends_at is None:
            if starts_at < now - timedelta(seconds=30):
                raise TariffInvalid("another tariff was in force then; choose a start from now on", field="starts_at")
            before.ends_at = starts_at
            before.save(update_fields=["ends_at"])
        tariff = Tariff(source=source, name=name, note=note, starts_at=starts_at, ends_at=ends_at, published_at=now)
        return _insert(tariff, rules)


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounting_now()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def _insert(tariff: Tariff, rules: Sequence[RuleSpec]) -> int:
    earlier = Tariff.objects.filter(source=tariff.source).aggregate(Max("version"))["version__max"]
    tariff.version = (earlier or 0) + 1
    tariff.size = len(rules)
    try:
        with transaction.atomic():
            tariff.save(force_insert=True)
    except IntegrityError as error:
        raise TariffInvalid("another tariff is in force in that period", field="starts_at") from error
    RatingRule.objects.bulk_create(
        RatingRule(
            tariff=tariff,
            position=position,
            name=rule.name,
            metric=rule.metric,
            canonical_unit=rule.canonical_unit,
            model=rule.model,
            price=rule.price,
            terms=_terms(rule),
            beneficiary=rule.beneficiary,
        )
        for position, rule in enumerate(rules)
    )
    return tariff.pk


def _check_rule(rule: RuleSpec, at: str) -> None:
    numbers = [rule.price, rule.package, rule.free, rule.factor, rule.fee]
    numbers += [n for n in (rule.minimum, rule.maximum) if n is not None]
    numbers += [n for tier in rule.tiers for n in tier if n is not None]
    if any(not n.is_finite() or n < 0 for n in numbers) or rule.package == 0 or rule.fee > 1:
        raise TariffInvalid("numbers must be finite and not negative, a package more than 0, a fee at most 1", field=at)
    if any(n >= LARGEST_NUMBER or n != EXACT.quantize(n, SMALLEST_STEP) for n in numbers):
        raise TariffInvalid("numbers have at most 12 digits before the point and 12 after it", field=at)
    if not BENEFICIARY.fullmatch(rule.beneficiary):
        raise TariffInvalid("the beneficiary is provider, platform or publisher:<name>", field=f"{at}.beneficiary")
    if rule.model not in MODELS:
        raise TariffInvalid(f"the model must be one of {', '.join(MODELS)}", field=f"{at}.model")
    if (rule.model == "percentage") != (rule.metric == SURCHARGE):
        raise TariffInvalid(f"a percentage rule has the metric {SURCHARGE}, and only it", field=f"{at}.metric")
    if rule.canonical_unit not in METRIC_UNITS.get(rule.metric, {unit.canonical for unit in UNITS.values()}):
        raise TariffInvalid("no such canonical unit for this metric", field=f"{at}.canonical_unit")
    if unknown := set(rule.when) - set(CONDITIONS):
        raise TariffInvalid(f"unknown condition {min(unknown)}", field=f"{at}.when")
    _check_tiers(rule, at)


def _check_ambiguity(rules: Sequence[RuleSpec]) -> None:
    seen: set[object] = set()
    for position, rule in enumerate(rules):
        key = (rule.metric, rule.canonical_unit, condition_key(rule.when))
        if key in seen:
            raise TariffInvalid("an earlier rule prices the same under the same conditions", field=f"rules[{position}]")
        seen.add(key)


def _check_tiers(rule: RuleSpec, at: str) -> None:
    if rule.model not in ("graduated", "volume"):
        if rule.tiers:
            raise TariffInvalid("only graduated and volume rules have tiers", field=f"{at}.tiers")
        return
    bounds = [bound for bound, _ in rule.tiers]
    closed = [bound for bound in bounds[:-1] if bound is not None]
    if not bounds or bounds[-1] is not None or len(closed) != len(bounds) - 1 or closed != sorted(set(closed)):
        raise TariffInvalid("tiers rise strictly and the last one has no end", field=f"{at}.tiers")


def _terms(rule: RuleSpec) -> dict[str, Any]:
    """Only what differs from the default, numbers as text, so that a receipt shows what was said."""
    terms: dict[str, Any] = {}
    if rule.tiers:
        terms["tiers"] = [[None if bound is None else str(bound), str(price)] for bound, price in rule.tiers]
    for name, default in (
        ("package", Decimal(1)),
        ("free", Decimal(0)),
        ("factor", Decimal(1)),
        ("fee", Decimal(0)),
    ):
        if getattr(rule, name) != default:
            terms[name] = str(getattr(rule, name))
    for name in ("minimum", "maximum"):
        if getattr(rule, name) is not None:
            terms[name] = str(getattr(rule, name))
    if rule.when:
        terms["when"] = {key: sorted(values) for key, values in rule.when.items()}
    return terms


def _check_announcement(before: Tariff, rules: Sequence[RuleSpec], starts_at: datetime, now: datetime) -> None:
    days = announcement()
    if starts_at < now + days - timedelta(minutes=1) and _may_raise(load(before.pk), rules):
        raise TariffInvalid(
            f"a price may rise, so it must be published {days.days} days before it starts", field="starts_at"
        )


def announcement() -> timedelta:
    """How long ahead a price that may rise is published (T3)."""
    return timedelta(days=getattr(settings, "TARIFF_ANNOUNCEMENT_DAYS", ANNOUNCEMENT.days))


def _may_raise(old: Sequence[Rule], new: Sequence[RuleSpec]) -> bool:
    """Whether any charge could grow. Says yes when in doubt: only like-for-like rules can be compared."""
    known = {(r.metric, r.canonical_unit, str(r.model), condition_key(r.when)): r for r in old}
    kept = []
    for rule in new:
        key = (rule.metric, rule.canonical_unit, rule.model, condition_key(rule.when))
        earlier = known.get(key)
        if _dearer(earlier, rule) if earlier else not _free_of_charge(rule):
            return True
        if earlier:
            kept.append(key)
    # A special case dropped: the general price applies again. Special cases reordered: of equals the first wins (R3).
    return [key for key in known if key[3]] != [key for key in kept if key[3]]


def _free_of_charge(rule: RuleSpec) -> bool:
    return rule.factor == 0 or (rule.price == 0 and not rule.minimum and all(price == 0 for _, price in rule.tiers))


def _dearer(old: Rule, new: RuleSpec) -> bool:
    if new.price > old.price or new.free < old.free or new.factor > old.factor or new.package < old.package:
        return True
    if (new.minimum or 0) > (old.minimum or 0):
        return True
    if old.maximum is not None and (new.maximum is None or new.maximum > old.maximum):
        return True
    old_bounds, new_bounds = [b for b, _ in old.tiers], [b for b, _ in new.tiers]
    return old_bounds != new_bounds or any(n > o for (_, o), (_, n) in zip(old.tiers, new.tiers, strict=True))


def in_force(source: int, at: datetime) -> int | None:
    """The tariff of the source (primary key) at that instant."""
    rows = Tariff.objects.filter(source_id=source, starts_at__lte=at).order_by("-starts_at")[:1]
    return next((t.pk for t in rows if t.ends_at is None or t.ends_at > at), None)


@lru_cache(maxsize=2048)
def load(tariff: int) -> tuple[Rule, ...]:
    """The rules of a tariff, ready for rating. Remembered for ever: published rules never change (T1)."""
    return tuple(read_rule(row) for row in RatingRule.objects.filter(tariff_id=tariff).order_by("position"))


def read_rule(row: RatingRule) -> Rule:
    """The rule as rating takes it."""
    terms = row.terms
    optional = {
        name: Decimal(terms[name])
        for name in ("package", "free", "minimum", "maximum", "factor", "fee")
        if name in terms
    }
    return Rule(
        id=row.pk,
        name=row.name,
        metric=row.metric,
        canonical_unit=row.canonical_unit,
        model=cast(Model, row.model),
        price=row.price.normalize(),
        tiers=tuple((None if b is None else Decimal(b), Decimal(p)) for b, p in terms.get("tiers", [])),
        beneficiary=row.beneficiary,
        when={key: frozenset(values) for key, values in terms.get("when", {}).items()},
        **optional,
    )
