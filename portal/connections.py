"""Database connections that outlive a restart of the database.

Connections are kept for a minute per thread and are not tested before use: that would cost a round trip on every
request. When the database restarts, the first request that meets a dead connection answers 503 with Retry-After and
calls `distrust`; every other thread of the process then drops its own connection before its next request, so that a
restart costs a caller one retry and not one per thread. Imported once by `PortalConfig.ready`.
"""

from __future__ import annotations

from typing import Any

from django.core.signals import request_started
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.backends.signals import connection_created
from django.dispatch import receiver

#: SQLSTATE classes and codes after which the same request can succeed: connection (08), resources (53), system (58),
#: serialization, deadlock, lock timeout, statement cancelled, shutdown and start-up, a standby that took over.
TRANSIENT_CLASSES = ("08", "53", "58")
TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "57P05", "25P03", "25006"})
TRANSIENT_STATES |= {"LR003"}  # a hold that changed again and again while its report was rated
CONTENTION_STATES = frozenset({"40001", "40P01", "55P03", "LR003"})

_trusted_generation = 0


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of a database error; None when the server never said one (the connection broke)."""
    state = getattr(error.__cause__, "pgcode", None)
    return state if isinstance(state, str) else None


def is_transient(error: BaseException) -> bool:
    """Tell whether the same request may succeed a moment later."""
    if not isinstance(error, DatabaseError | InterfaceError):
        return False
    state = sqlstate(error)
    if state is None:
        # libpq reports a cut connection as any of these three, and only these.
        return isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError
    return state in TRANSIENT_STATES or state.startswith(TRANSIENT_CLASSES)


def retry_after(error: BaseException) -> int:
    """Seconds: a lock is free in a moment, a restart takes longer. The ETL clients try four times at this distance."""
    return 1 if sqlstate(error) in CONTENTION_STATES else 3


def distrust(error: BaseException) -> None:
    """Have every thread open a new connection if `error` says that the server went away."""
    state = sqlstate(error)
    if state is None or state.startswith("08") or state in {"57P01", "57P02", "57P03", "25006"}:
        global _trusted_generation  # noqa: PLW0603  # one number for the process
        _trusted_generation += 1


@receiver(connection_created)
def _note_generation(connection: Any, **_: Any) -> None:
    connection.portal_generation = _trusted_generation


@receiver(request_started)
def _drop_distrusted(**_: Any) -> None:
    if connection.connection is None or connection.in_atomic_block:
        return
    if getattr(connection, "portal_generation", _trusted_generation) != _trusted_generation:
        connection.close()
