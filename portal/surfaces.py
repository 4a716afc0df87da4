"""Which face of the service an address belongs to: the ETL API, our own API, openEO's, a probe, or pages for people.

It decides how an error looks when no view of that face was reached (unknown address, refused host, too large a body).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from django.conf import settings
from django.http import HttpRequest

Surface = Literal["etl", "openeo", "problem", "probe", "page"]

#: What back ends call, below the mount.
ETL_NAMES = ("user/permissions", "user", "validate/auth", "resources", "addedvalue")


_PROBE = re.compile("/+health(?:/ready)?")


@cache
def machine_paths(mount: str) -> str:
    """Return a pattern, without the first slash, of every address that programs call."""
    return rf"^(?:api/|/*health(?:/ready)?$|{_etl_names(mount)}$)"


@cache
def _etl_pattern(mount: str) -> re.Pattern[str]:
    return re.compile(f"/{_etl_names(mount)}")


def _etl_names(mount: str) -> str:
    names = "|".join(map(re.escape, ETL_NAMES))
    # Repeated slashes come from clients whose base address ends in one.
    return rf"/*{re.escape(mount)}/*(?:{names})/*" if mount else rf"/*(?:{names})/*"


def surface_of(path: str) -> Surface:
    """:param path: `request.path_info`"""
    if path.startswith("/api/v1/openeo/"):
        return "openeo"
    if path.startswith("/api/"):
        return "page" if path.endswith("/docs/") else "problem"
    if _PROBE.fullmatch(path):
        return "probe"
    if _etl_pattern(settings.ETL_MOUNT).fullmatch(path):
        return "etl"
    return "page"


def is_for_programs(request: HttpRequest) -> bool:
    """Tell whether the address is one that programs call; decided once for a request."""
    known: bool | None = getattr(request, "for_programs", None)
    if known is None:
        known = surface_of(request.path_info) != "page"
        request.for_programs = known  # type: ignore[attr-defined]
    return known
