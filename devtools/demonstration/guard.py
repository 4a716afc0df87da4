"""The demonstration must not touch real credits: it runs only where the settings ask for it, never in production."""

from __future__ import annotations

import os

from django.conf import settings


class DemonstrationRefused(RuntimeError):
    """These settings are not for a demonstration; nothing was done."""


def require_demonstration() -> None:
    """:raises DemonstrationRefused: production settings, or settings without DEMONSTRATION=on."""
    if getattr(settings, "REFUSE_UNSAFE_START", False):
        raise DemonstrationRefused("these are the production settings: the demonstration never runs with them")
    if not settings.DEMONSTRATION:
        raise DemonstrationRefused("set DEMONSTRATION=on to fill this database with made-up people and usage")


def require_demonstration_environment() -> None:
    """The same for programs that load no Django settings.

    :raises DemonstrationRefused: DEMONSTRATION is not on, or the settings named are production's.
    """
    module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    if module.endswith("production") or os.environ.get("DEMONSTRATION", "").lower() not in {"1", "on", "true", "yes"}:
        raise DemonstrationRefused("set DEMONSTRATION=on, and not with the production settings, to make up usage")
