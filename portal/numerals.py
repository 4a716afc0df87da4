"""Numbers as the page's language writes them, for sentences; the tags of `figures` print those that stand alone."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from django.conf import settings
from django.utils.formats import get_format
from django.utils.translation import pgettext

from accounting import credits as amounts

CENT = Decimal("0.01")
MINUS = "\N{MINUS SIGN}"


def localised(text: str) -> str:
    """A number written with commas between thousands and a point before decimals, as the page's language writes it."""
    signs = {",": get_format("THOUSAND_SEPARATOR"), ".": get_format("DECIMAL_SEPARATOR")}
    return "".join(str(signs.get(character, character)) for character in text)


def two_decimals(value: Decimal) -> str:
    """Of a number that is not negative, in English; less than half a cent is not written as nothing."""
    rounded = value.quantize(CENT, rounding=ROUND_HALF_EVEN)
    return "< 0.01" if value and not rounded else f"{rounded:,.2f}"


def credits_text(micros: int) -> str:
    """Micro-credits as credits with two decimals."""
    return (MINUS if micros < 0 else "") + localised(two_decimals(amounts.to_decimal(abs(micros))))


def euro_text(micros: int) -> str:
    """What micro-credits are worth in euro (setting CREDIT_EURO), to the cent."""
    worth = amounts.to_decimal(abs(micros)) * settings.CREDIT_EURO
    shown = two_decimals(worth)
    below = "< " if shown.startswith("<") else ""
    sign = MINUS if micros < 0 else ""
    # Translators: where the sign of the currency stands
    return below + sign + pgettext("money", "€%(amount)s") % {"amount": localised(shown.removeprefix("< "))}
