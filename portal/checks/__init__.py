"""System checks: one, with an id of its own, for each way to misconfigure the service.

`manage.py check` runs those that hold everywhere, `manage.py check --deploy --database default` all of them. The web
server and the worker run all of them at their start with production settings, and do not start if one fails.
"""

from __future__ import annotations

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from portal import logs
from portal.checks import database, deployment, everywhere, identity

__all__ = ["database", "deployment", "everywhere", "identity", "problems", "refuse_unsafe_start"]


def problems() -> list[checks.CheckMessage]:
    """Run every check of ours, also those that ask the database."""
    return checks.run_checks(tags=["portal"], include_deployment_checks=True, databases=["default"])


def refuse_unsafe_start() -> None:
    """:raises ImproperlyConfigured: listing everything that is wrong, when the settings are the production's."""
    if not getattr(settings, "REFUSE_UNSAFE_START", False):
        return
    found = problems()
    for issue in found:
        if issue.level < checks.ERROR:
            logs.event("start_warning", check=issue.id, text=issue.msg)
    errors = [f"{issue.id}: {issue.msg} {issue.hint or ''}" for issue in found if issue.level >= checks.ERROR]
    if errors:
        raise ImproperlyConfigured("The service does not start with unsafe settings.\n" + "\n".join(errors))
