"""`/health` says that the process answers; `/health/ready` says whether it can do its work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, re_path
from django.views.decorators.http import require_safe

from accounting import queries
from portal import checks, connections, logs
from portal.api import renderers

#: One existing client calls this before each report and checks for 200 and `status`; it must cost nothing.
_ALIVE = b'{"status":"ok","info":{},"error":{},"details":{}}'
_HEADERS = {"Cache-Control": "no-store"}

#: What was found true once and stays true while the process runs.
_proven: set[str] = set()


class NotReady(Exception):
    """What is wrong, in words that an operator may show to anybody."""


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_ALIVE, content_type="application/json", headers=_HEADERS)


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when every part works, 503 with what does not; the shape is that of `/health`."""
    details = {name: _run(name, examine) for name, examine in EXAMINATIONS.items()}
    healthy = {name: part for name, part in details.items() if part["status"] == "up"}
    broken = {name: part for name, part in details.items() if part["status"] != "up"}
    body = {"status": "error" if broken else "ok", "info": healthy, "error": broken, "details": details}
    status = 503 if broken else 200
    return HttpResponse(renderers.encode(body), status=status, content_type="application/json", headers=_HEADERS)


def _run(name: str, examine: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        facts = examine()
    except NotReady as error:
        return {"status": "down", "message": str(error)}
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer to the question
        connections.distrust(error)
        if connections.is_transient(error):
            logs.warning("not_ready", part=name, **logs.cause_of(error))
        else:
            logs.failure("not_ready", part=name)
        # The text of a database error may hold addresses and names; its kind says enough here.
        return {"status": "down", "message": f"It failed with {type(error).__name__}; the log has more."}
    return {"status": "up", "ms": round((time.perf_counter() - started) * 1000, 1), **facts}


def _database() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        row = cursor.fetchone()
    if row is None or row[0]:
        raise NotReady("The database is a standby that cannot be written.")
    if getattr(settings, "REFUSE_UNSAFE_START", False) and "durable" not in _proven:
        # The database was away when this process started, so it could not be examined then.
        if found := checks.database.unsafe():
            raise NotReady(" ".join(found))
        _proven.add("durable")
    return {}


def _migrations() -> dict[str, Any]:
    if "migrated" not in _proven:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if pending:
            raise NotReady(f"{len(pending)} migrations are not applied; run `manage.py migrate`.")
        _proven.add("migrated")
    return {}


def _worker() -> dict[str, Any]:
    lag = queries.worker_lag_seconds()
    if lag is None:
        raise NotReady("No worker has run a task yet.")
    if lag > settings.READY_MAX_WORKER_LAG:
        raise NotReady(f"The last sign of life of a worker is {lag:.0f} s old.")
    return {"lag_seconds": round(lag, 1)}


def _outbox() -> dict[str, Any]:
    age = queries.outbox_age_seconds()
    if age > settings.READY_MAX_OUTBOX_AGE:
        raise NotReady(f"The oldest event that was not delivered is {age:.0f} s old.")
    return {"oldest_seconds": round(age, 1)}


EXAMINATIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "database": _database,
    "migrations": _migrations,
    "worker": _worker,
    "outbox": _outbox,
}

urlpatterns: list[URLPattern] = [
    path("health", alive, name="health"),
    path("health/ready", ready, name="health_ready"),
    # As with the ETL API: base addresses end in a slash, and one client asks this before each report.
    re_path("^/+health$", alive),
    re_path("^/+health/ready$", ready),
]
