"""How a check is written: a function that returns what is wrong, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.core import checks

#: True, or a text with details for the message, when the rule is broken.
Finding = bool | str | None
Rule = Callable[[], Finding]

#: Every rule by its id, for the tests and for `database.unproven`.
registered: dict[str, Callable[..., list[checks.CheckMessage]]] = {}


def rule(
    number: str, message: str, hint: str, *, deploy: bool = True, needs_database: bool = False
) -> Callable[[Rule], Rule]:
    """Register a check as `portal.<number>`; `E...` stops the start, `W...` is only said.

    :param message: may hold `{}` for the details that the rule returns.
    """
    kind = checks.Error if number.startswith("E") else checks.Warning

    def decorate(broken: Rule) -> Rule:
        def check(
            app_configs: Sequence[Any] | None = None, databases: Sequence[str] | None = None, **_: Any
        ) -> list[checks.CheckMessage]:
            if needs_database and not databases:
                return []
            finding = broken()
            if not finding:
                return []
            return [kind(message.format("" if finding is True else finding), hint=hint, id=f"portal.{number}")]

        check.__name__ = broken.__name__
        registered[f"portal.{number}"] = check
        checks.register(check, "portal", deploy=deploy)
        return broken

    return decorate
