"""The way back up, as a page shows it above its title."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse


@dataclass(frozen=True, slots=True)
class Crumb:
    title: str
    href: str

    @classmethod
    def to(cls, name: str, title: str) -> Crumb:
        """To the page of a route."""
        return cls(title, reverse(name))
