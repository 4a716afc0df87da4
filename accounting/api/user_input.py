"""What the users of a back end write themselves: made fit instead of refused, for a 4xx would make their job free.

Shared by both APIs, so that the same title, process or organisation means the same in either.
"""

from __future__ import annotations

import re
from decimal import Decimal
from hashlib import sha256
from typing import Any

# No control or format characters, no exotic blanks, and plain spaces only between other characters: an id
# that looks like another one would make another person or another job.
_LETTER = r"[^\u0000-\u0020\u007f-\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
ID_PATTERN = f"^{_LETTER}+( {_LETTER}+)*$"
"""Also the pattern in the OpenAPI documents: what it promises is what is checked."""

ID = re.compile(ID_PATTERN[1:-1])
_STRANGE = re.compile(f"(?!{_LETTER}).", re.DOTALL)

TITLE_LENGTH = 500
_LARGEST_ID = 2**63 - 1


def title(value: Any) -> str | None:
    """A text that people wrote, cut and cleaned.

    Back ends pass on what their user sent, so a number is its own text and anything else is no title.
    """
    if type(value) is int or type(value) is Decimal:
        value = str(value)
    if type(value) is not str:
        return None
    cut = value[:TITLE_LENGTH]
    return cut if cut.isprintable() else "".join(letter if letter.isprintable() else " " for letter in cut)


def identifier(value: str, most: int) -> str:
    """`value` as it is when it has at most `most` characters, all of them fit for an id; else shortened.

    The SHA-256 at the end of a shortened one keeps it apart from every other, so that it is unknown here, which costs
    nothing.
    """
    if len(value) <= most and ID.fullmatch(value):
        return value
    digest = sha256(value.encode()).hexdigest()[:32]
    return f"{_STRANGE.sub('_', value[: most - 33])}~{digest}"


def organisation(number: int) -> int:
    """The number that no organisation has for any that the database has no room for."""
    return min(max(number, -_LARGEST_ID), _LARGEST_ID)
