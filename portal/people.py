"""What is known about people beyond the ledger."""

from __future__ import annotations

from portal.models import User


def name_of(person: int) -> str | None:
    """The name that the provider told at the last sign-in of accounting's person; None when there was none."""
    return User.objects.filter(person_id=person).exclude(name="").values_list("name", flat=True).first()
