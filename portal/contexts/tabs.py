"""Parts of one page, as components/tabs.html shows them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tab:
    title: str
    href: str
    here: bool
