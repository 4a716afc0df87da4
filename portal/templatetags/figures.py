"""How credits, quantities and moments look on a page: the only place that formats them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounting import credits as amounts

register = template.Library()

CENT = Decimal("0.01")
MINUS = "\N{MINUS SIGN}"


@register.simple_tag
def credits(micros: int, euro: bool = True, exact: bool = False, sign: bool = False) -> SafeString:
    """Print micro-credits as credits, with the euro beside them.

    Two decimals, or all six with `exact`; the machine-readable `value` is always exact; a leading + with `sign`.
    Less than half a cent of a credit is not printed as nothing.
    """
    size = amounts.to_decimal(abs(micros))
    shown = f"{size:,.6f}" if exact else _two_decimals(size)
    whole, dot, part = shown.partition(".")
    return format_html(
        '<data class="credits" value="{}">{}{}<span class="minor">{}{}</span></data>{}',
        amounts.to_text(micros),
        MINUS if micros < 0 else "+" if sign and micros else "",
        whole,
        dot,
        part,
        format_html(' <span class="euro">{}</span>', euros(micros)) if euro else "",
    )


@register.simple_tag
def euros(micros: int) -> str:
    """Print what micro-credits are worth in euro (setting CREDIT_EURO), to the cent."""
    worth = amounts.to_decimal(abs(micros)) * settings.CREDIT_EURO
    shown = _two_decimals(worth)
    below = shown.startswith("<")
    sign = MINUS if micros < 0 else ""
    return f"< {sign}€0.01" if below else f"{sign}€{shown}"


@register.simple_tag
def quantity(value: Decimal, unit: str = "", digits: int = 6) -> SafeString:
    """Print a quantity with its unit: at most `digits` decimals, all of them in `value`."""
    plain = f"{value.normalize():f}" if value else "0"
    rounded = value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN) if value else value
    text = _grouped(f"{rounded.normalize():f}" if rounded else "0", rounded)
    if value and not rounded:
        text = f"< {Decimal(1).scaleb(-digits):f}"
    return format_html('<data value="{}">{}</data>{}', plain, text, f" {unit}" if unit else "")


@register.simple_tag
def moment(at: datetime | None, empty: str = "–") -> SafeString | str:
    """Print an instant in UTC to the minute."""
    if at is None:
        return empty
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(timespec="seconds"),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        f"{utc.day} {utc:%b %Y, %H:%M}",
    )


@register.simple_tag
def day(at: datetime | None, empty: str = "Never") -> SafeString | str:
    """Print the UTC day of an instant."""
    if at is None:
        return empty
    utc = at.astimezone(UTC)
    return format_html('<time datetime="{}">{}</time>', f"{utc:%Y-%m-%d}", f"{utc.day} {utc:%b %Y}")


def _two_decimals(value: Decimal) -> str:
    rounded = value.quantize(CENT, rounding=ROUND_HALF_EVEN)
    return "< 0.01" if value and not rounded else f"{rounded:,.2f}"


def _grouped(text: str, value: Decimal) -> str:
    """Put commas between thousands of a plain decimal text, and leave its decimals alone."""
    whole, dot, part = text.partition(".")
    grouped = f"{int(whole.lstrip('-')):,}"
    return f"{MINUS if value < 0 else ''}{grouped}{dot}{part}"
