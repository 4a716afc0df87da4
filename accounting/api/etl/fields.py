"""One value of a body at a time: the right type and a sane size, or a fault that names the field.

What comes in is what the strict JSON parser lets through: integers, `Decimal` for every number with a fraction, texts
without NUL or half surrogates. An explicit null is the same as an absent field everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from accounting.api import user_input
from accounting.api.user_input import ID
from accounting.errors import InvalidInput

Body = Mapping[str, Any]

NUMBER_PATTERN = r"^[0-9]{1,20}(\.[0-9]{1,38})?([eE][+-]?[01]?[0-9])?$"
"""A number as text: digits of ASCII, no sign, no blanks, no NaN, and no more of them than a computation keeps."""
WHOLE_PATTERN = r"^-?[0-9]{1,40}$"

_NUMBER = re.compile(NUMBER_PATTERN[1:-1])
_WHOLE = re.compile(WHOLE_PATTERN[1:-1])

NUMBER_LENGTH = 60

FIRST_MOMENT, LAST_MOMENT = -62_135_596_800_000, 253_402_300_799_000
"""The years 1 and 9999 in milliseconds since 1970."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def required_id(body: Body, name: str, most: int) -> str:
    """:raises InvalidInput: also when it is missing."""
    value = optional_id(body, name, most)
    if value is None:
        raise InvalidInput("is required", field=name)
    return value


def optional_id(body: Body, name: str, most: int) -> str | None:
    """A text that identifies something: 1 to `most` visible characters.

    :raises InvalidInput: for any other type, length or character.
    """
    value = body.get(name)
    if value is None:
        return None
    if type(value) is not str:
        raise InvalidInput(f"must be a text of 1 to {most} characters, not {kind_of(value)}", field=name)
    if not 0 < len(value) <= most:
        raise InvalidInput(f"must have 1 to {most} characters, not {len(value)}", field=name)
    if ID.fullmatch(value) is None:
        raise InvalidInput("must not hold control or invisible characters, nor begin or end with a space", field=name)
    return value


def free_id(body: Body, name: str, most: int) -> str | None:
    """An identifier in which a user has a say, such as a process id: one that would be refused is shortened instead.

    :raises InvalidInput: it is no text, or empty.
    """
    value = body.get(name)
    return user_input.identifier(value, most) if type(value) is str and value else optional_id(body, name, most)


def choice(body: Body, name: str, allowed: frozenset[str]) -> str:
    """One of `allowed`, empty when absent.

    :raises InvalidInput: anything else, a list of one too.
    """
    value = body.get(name)
    if value is None:
        return ""
    if type(value) is not str:
        raise InvalidInput(f"must be one of {', '.join(sorted(allowed))}, not {kind_of(value)}", field=name)
    if value not in allowed:
        raise InvalidInput(f"must be one of {', '.join(sorted(allowed))}", field=name)
    return value


def title(body: Body, name: str) -> str | None:
    """Cut and cleaned rather than refused: a job's name must not cost its back end the money."""
    return user_input.title(body.get(name))


def moment(body: Body, name: str) -> datetime | None:
    """Milliseconds since 1970 as a number or a text of one.

    Instants that no calendar here reaches become the nearest one that does, so that they are judged impossible, and
    kept, like every other impossible time.

    :raises InvalidInput: it is no number.
    """
    value = body.get(name)
    if value is None:
        return None
    number = _number(value)
    if number is None:
        raise InvalidInput(f"must be milliseconds since 1970 as a number, not {kind_of(value)}", field=name)
    milliseconds = min(max(number, FIRST_MOMENT), LAST_MOMENT)
    return _EPOCH + timedelta(microseconds=int(milliseconds * 1000))


def quantity(value: Any, path: str) -> tuple[Decimal, str]:
    """A measured amount, and how it was written. Existing clients send integers, floats and texts (`"0.33"`).

    :raises InvalidInput: it is no number, negative, or has more digits than a receipt can show.
    """
    number = _number(value)
    if number is None:
        raise InvalidInput(f'must be a number, for example 53 or "0.33", not {kind_of(value)}', field=path)
    reported = value if type(value) is str else str(value)
    if len(reported) > NUMBER_LENGTH:
        raise InvalidInput(f"must have at most {NUMBER_LENGTH} characters", field=path)
    amount = Decimal(number)
    if amount.is_signed():
        if amount:
            raise InvalidInput("must not be negative", field=path)
        amount = amount.copy_abs()
    return amount, reported


def _number(value: Any) -> int | Decimal | None:
    """None for what is no number; true and false are none."""
    kind = type(value)
    if kind is int or kind is Decimal:
        number: int | Decimal = value
        return number
    if kind is str and len(value) <= NUMBER_LENGTH and _NUMBER.fullmatch(value):
        return Decimal(value)
    return None


def organisation(body: Body, name: str) -> int | None:
    """An organisation's id as a whole number or a text of one.

    It comes from the user's own job options. A number that no organisation can have is therefore not refused (that
    would make the job free of charge): like every organisation of strangers it never pays, the user's own does.

    :raises InvalidInput: it is no whole number.
    """
    value = body.get(name)
    if value is None:
        return None
    if (type(value) is Decimal and value == value.to_integral_value()) or (
        type(value) is str and _WHOLE.fullmatch(value)
    ):
        value = int(value)
    if type(value) is not int:
        raise InvalidInput(f"must be the whole number of an organisation, not {kind_of(value)}", field=name)
    return user_input.organisation(value)


def part(value: Any, path: str) -> Body:
    """:raises InvalidInput: it is no object."""
    if type(value) is not dict:
        raise InvalidInput(f"must be an object, not {kind_of(value)}", field=path)
    inner: Body = value
    return inner


def kind_of(value: Any) -> str:
    """Name a value's type in the words of JSON, and show a short text, so that the sender recognises it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else f"the number {str(value)[:40]}"
