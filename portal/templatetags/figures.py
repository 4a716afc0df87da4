"""How credits, quantities and moments look on a page: the only place that formats them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounting import credits as amounts
from portal.numerals import MINUS, euro_text, localised, two_decimals

register = template.Library()


@register.simple_tag
def credits(micros: int, euro: bool = True, exact: bool = False, sign: bool = False) -> SafeString:
    """Print micro-credits as credits, with the euro beside them.

    Two decimals, or all six with `exact`; the machine-readable `value` is always exact; a leading + with `sign`.
    Less than half a cent of a credit is not printed as nothing.
    """
    size = amounts.to_decimal(abs(micros))
    shown = f"{size:,.6f}" if exact else two_decimals(size)
    whole, dot, part = shown.partition(".")
    return format_html(
        '<data class="credits" value="{}">{}{}<span class="minor">{}</span></data>{}',
        amounts.to_text(micros),
        MINUS if micros < 0 else "+" if sign and micros else "",
        localised(whole),
        localised(dot + part),
        format_html(' <span class="euro">{}</span>', euros(micros)) if euro else "",
    )


@register.simple_tag
def euros(micros: int) -> str:
    """Print what micro-credits are worth in euro (setting CREDIT_EURO), to the cent."""
    return euro_text(micros)


@register.simple_tag
def quantity(value: Decimal, unit: str = "", digits: int = 6) -> SafeString:
    """Print a quantity with its unit: at most `digits` decimals, all of them in `value`."""
    plain = f"{value.normalize():f}" if value else "0"
    rounded = value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN) if value else value
    text = _grouped(f"{rounded.normalize():f}" if rounded else "0", rounded)
    if value and not rounded:
        text = f"< {Decimal(1).scaleb(-digits):f}"
    return format_html('<data value="{}">{}</data>{}', plain, localised(text), f" {unit}" if unit else "")


@register.simple_tag
def number(value: Decimal, digits: int = 2) -> SafeString:
    """Print a number with exactly `digits` decimals, all of it in `value`."""
    rounded = value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
    return format_html('<data value="{}">{}</data>', f"{value:f}", localised(_grouped(f"{rounded:f}", rounded)))


@register.simple_tag
def moment(at: datetime | None, empty: str = "–") -> SafeString | str:
    """Print an instant to the minute in the person's time zone, with UTC for who points at it."""
    if at is None:
        return empty
    # Translators: day, month and time, in the letters of Django's `date` filter
    return _time(at, date_format(timezone.localtime(at), pgettext("date format", "j M Y, H:i"), use_l10n=False))


@register.simple_tag
def day(at: datetime | None, empty: str = "") -> SafeString | str:
    """Print the day of an instant in the person's time zone."""
    if at is None:
        return empty or _("Never")
    # Translators: day, month and year, in the letters of Django's `date` filter
    return _time(at, date_format(timezone.localtime(at), pgettext("date format", "j M Y"), use_l10n=False))


def _time(at: datetime, text: str) -> SafeString:
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(timespec="seconds"),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        text,
    )


def _grouped(text: str, value: Decimal) -> str:
    """Put commas between thousands of a plain decimal text, and leave its decimals alone."""
    whole, dot, part = text.partition(".")
    grouped = f"{int(whole.lstrip('-')):,}"
    return f"{MINUS if value < 0 else ''}{grouped}{dot}{part}"
