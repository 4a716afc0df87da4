"""What a script token may be allowed to do: read, as the person could. Reporting and reserving are for back ends.

A view of the API says which scope a method needs (`script_scopes = {"GET": "jobs:read"}`). One that says nothing takes
no script token: a new address is closed to scripts until somebody decides otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounting.errors import ScopeMissing

#: In the order in which they are offered. The names are part of the API: they are never given another meaning.
SCOPES: Mapping[str, Promise] = {
    "balance:read": _("Balances and grants"),
    "entries:read": _("Every change of a wallet"),
    "jobs:read": _("Jobs, what they cost and their receipts"),
    "holds:read": _("Credits held for jobs"),
    "estimates:read": _("Estimates of what jobs will cost"),
    "quotes:read": _("Prices of expected usage"),
    "profile:read": _("Your user id, name and plans, as openEO clients show them"),
}


def check(granted: Collection[str], view: Any, method: str) -> None:
    """:raises ScopeMissing: the view takes no script tokens, or one with another scope."""
    declared: Mapping[str, str] = getattr(view, "script_scopes", {})
    wanted = declared.get("GET" if method == "HEAD" else method)
    if wanted is None:
        raise ScopeMissing("script tokens cannot do this; send an access token of your identity provider")
    if wanted not in granted:
        raise ScopeMissing(f"this token lacks the scope {wanted}; make one that has it", scope=wanted)
