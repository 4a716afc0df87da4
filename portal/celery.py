"""The task queue. Money never depends on it: what matters is a row first, a task only carries its key.

Tasks are acknowledged after they ran and given back when their worker dies, so every one must be idempotent.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import Celery, signals
from celery.schedules import crontab

from portal import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.production")

#: Seconds between two runs; the nightly proof runs at 02:15 UTC, estimates learn at 25 past each hour, and
#: what many people use is counted at 40 past. A run that
#: nobody took in time is dropped: the next one does its work.
SCHEDULE: dict[str, dict[str, Any]] = {
    "heartbeat": {"task": "accounting.tasks.heartbeat", "schedule": 15.0, "options": {"expires": 60}},
    "deliver-outbox": {"task": "accounting.tasks.deliver_outbox", "schedule": 10.0, "options": {"expires": 60}},
    "deliver-callbacks": {"task": "accounting.tasks.deliver_callbacks", "schedule": 5.0, "options": {"expires": 30}},
    "expire-grants": {"task": "accounting.tasks.expire_grants", "schedule": 60.0, "options": {"expires": 300}},
    "grant-allowances": {"task": "accounting.tasks.grant_allowances", "schedule": 60.0, "options": {"expires": 300}},
    "expire-holds": {"task": "accounting.tasks.expire_holds", "schedule": 10.0, "options": {"expires": 60}},
    **{
        f"scan-{scan}": {
            "task": "accounting.tasks.scan_alerts",
            "args": [scan],
            "schedule": seconds,
            "options": {"expires": seconds},
        }
        for scan, seconds in {
            "balances": 60.0,
            "holds": 60.0,
            "grants": 600.0,
            "tariffs": 600.0,
            "overruns": 600.0,
        }.items()
    },
    "route-notices": {"task": "portal.tasks.route_notices", "schedule": 10.0, "options": {"expires": 60}},
    "send-mail": {"task": "portal.tasks.send_mail", "schedule": 10.0, "options": {"expires": 60}},
    "tell-receipts": {"task": "portal.tasks.tell_receipts", "schedule": 60.0, "options": {"expires": 60}},
    "send-digests": {"task": "portal.tasks.send_digests", "schedule": 300.0, "options": {"expires": 300}},
    "purge-mail": {"task": "portal.tasks.purge_mail", "schedule": crontab(hour="3", minute="40")},
    "make-exports": {"task": "portal.tasks.make_exports", "schedule": 5.0, "options": {"expires": 30}},
    "count-reports": {"task": "accounting.tasks.count_reports", "schedule": 60.0, "options": {"expires": 120}},
    "count-popularity": {
        "task": "accounting.tasks.count_popularity",
        "schedule": crontab(minute="40"),
        "options": {"expires": 3000},
    },
    "verify-books": {"task": "accounting.tasks.verify_books", "schedule": crontab(hour="2", minute="15")},
    "learn-estimates": {
        "task": "accounting.tasks.learn_estimates",
        "schedule": crontab(minute="25"),
        "options": {"expires": 3000},
    },
}


def configuration() -> dict[str, Any]:
    """Return Celery's settings; evaluated when the application is first used, not when this module is imported."""
    from django.conf import settings

    return {
        "broker_url": settings.CELERY_BROKER_URL,
        "timezone": "UTC",
        "enable_utc": True,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "task_soft_time_limit": 240,
        "task_time_limit": 300,
        "task_default_queue": "portal",
        "broker_connection_retry_on_startup": True,
        # A request that publishes must not hang on a dead broker: the sweeper delivers what was not sent.
        "broker_connection_timeout": 3,
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0.1, "interval_step": 0.1},
        "beat_schedule": SCHEDULE,
        **transport(settings.CELERY_BROKER_URL, settings.CELERY_BROKER_FOLDER),
    }


def transport(url: str, folder: str) -> dict[str, Any]:
    """Return what the broker at `url` needs besides its address; `folder` is where file messages are kept."""
    scheme = url.partition(":")[0]
    if scheme in {"amqp", "amqps", "pyamqp"}:
        return {
            "task_default_queue_type": "quorum",
            "worker_detect_quorum_queues": True,
            "broker_transport_options": {"confirm_publish": True},
        }
    if scheme == "filesystem":
        places = {"data_folder_in": "messages", "data_folder_out": "messages", "control_folder": "control"}
        options = {name: str(Path(folder) / place) for name, place in places.items()}
        for place in options.values():
            Path(place).mkdir(parents=True, exist_ok=True)
        return {"broker_transport_options": {**options, "store_processed": False}}
    if scheme in {"redis", "rediss"}:
        # Tasks of a dead worker come back only after this; the default is an hour.
        return {"broker_transport_options": {"visibility_timeout": 600}}
    return {}


app = Celery("portal")
app.add_defaults(configuration)
app.autodiscover_tasks()


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Being connected stops Celery from replacing the handlers that the settings installed."""
    import django

    django.setup(set_prefix=False)


@signals.celeryd_init.connect
@signals.beat_init.connect
def _refuse_unsafe_start(**_: Any) -> None:
    from django.core.exceptions import ImproperlyConfigured

    from portal import checks

    try:
        checks.refuse_unsafe_start()
    except ImproperlyConfigured as error:
        # Celery goes on after an exception in a signal, but not after this one.
        raise SystemExit(str(error)) from error


@signals.before_task_publish.connect
def _stamp(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Says who caused the message and when it was sent; the heartbeat measures the broker's lag by the latter."""
    if headers is None:
        return
    headers["published_at"] = datetime.now(UTC).isoformat()
    if request_id := logs.current_request_id():
        headers.setdefault("request_id", request_id)


@signals.task_prerun.connect
def _begin_task(task: Any, task_id: str, **_: Any) -> None:
    logs.begin(getattr(task.request, "request_id", None), task=task.name, task_id=task_id)


@signals.task_postrun.connect
def _end_task(state: str | None = None, **_: Any) -> None:
    logs.event("task", state=state)
    logs.end()
