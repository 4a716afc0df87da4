"""How the APIs describe themselves (drf-spectacular)."""

from __future__ import annotations

from drf_spectacular.openapi import AutoSchema


class DocumentedSchema(AutoSchema):
    """Adds what every operation has."""
