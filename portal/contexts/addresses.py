"""Where a figure leads: addresses of other pages with what to look for in their query."""

from __future__ import annotations

from datetime import date, timedelta
from urllib.parse import urlencode

from django.urls import reverse


def address(route: str, *args: str, **query: str | int) -> str:
    """The address of a page; what is empty in the query is left out."""
    path = reverse(route, args=args)
    wanted = urlencode({name: value for name, value in query.items() if value != ""})
    return f"{path}?{wanted}" if wanted else path


def usage(period: str, **query: str) -> str:
    """What was spent in a period that the usage explorer offers."""
    return address("usage", period=period, **query)


def usage_days(since: date, until: date) -> str:
    """What was spent in `[since, until)`, in the usage explorer."""
    return address("usage", period="custom", **{"from": since.isoformat(), "to": (until - timedelta(1)).isoformat()})
