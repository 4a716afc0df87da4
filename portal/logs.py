"""Structured logs: one bounded JSON line per event, with the request id bound to it and secrets taken out.

Whatever reaches a line is data: line breaks, escape sequences and direction overrides are escaped by JSON (ASCII only),
long values are cut, and anything that looks like a credential is replaced before it is written.
"""

from __future__ import annotations

import json
import logging
import logging.config
import re
import time
import uuid
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

REDACTED = "[redacted]"
#: Characters kept of one value; a traceback may have more. A line has at most MAX_FIELDS values.
MAX_TEXT = 2_000
MAX_TRACEBACK = 12_000
MAX_FIELDS = 40
MAX_DEPTH = 3

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,127}", re.ASCII)
_SECRET_NAME = re.compile(
    r"authorization|cookie|secret|password|passwd|token|session_?key|api_?key|credential", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"""
      (?P<scheme>\b(?:bearer|basic)\s+)[^\s"',;]+
    | \beyJ[A-Za-z0-9_.-]{5,}
    | \boec_[A-Za-z0-9]+ | \b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]+ | \bwhsec_[A-Za-z0-9+/=]+
    | (?P<name>\b(?:code|state|nonce|session_state|[a-z_]{0,20}(?:token|assertion|secret|password)(?:_hint)?|sessionid
        |(?:__Host-)?(?:session|csrf))["']?\s*[=:]\s*["']?)[^\s&"',;]+
    | (?P<address>\b[a-z][a-z0-9+.-]*://[^\s:/@]+:)[^\s@/]+(?=@)
    """,
    re.IGNORECASE | re.VERBOSE,
)

_stdlib_names = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configuration(level: str, form: str) -> dict[str, Any]:
    """Return the `LOGGING` setting: everything, ours and the libraries', leaves by one handler on standard output."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "portal.logs.Formatter", "form": form}},
        "handlers": {"line": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stdout"}},
        "root": {"handlers": ["line"], "level": level},
        "loggers": {
            # Django's own line per 4xx and 5xx says less than ours and would double it.
            "django.request": {"level": "CRITICAL"},
            # Scanners send foreign hosts all day: portal.api.errors writes a warning instead of a traceback.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "django.server": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "mozilla_django_oidc": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
            # It says at each connection that a folder has no host name.
            "kombu.connection": {"level": "ERROR"},
        },
    }


def configure(settings: dict[str, Any]) -> None:
    """Install the handlers (Django's LOGGING_CONFIG) and point structlog at them."""
    logging.config.dictConfig(settings)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info, _to_record],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _to_record(_: Any, __: str, event: MutableMapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (str(event.pop("event", "")),), {"extra": {"fields": dict(event)}}


class Formatter(logging.Formatter):
    """Writes a record as one line, whoever logged it."""

    converter = staticmethod(time.gmtime)

    def __init__(self, form: str = "json") -> None:
        super().__init__()
        self.form = form

    def format(self, record: logging.LogRecord) -> str:
        fields = self.fields_of(record)
        if self.form == "console":
            return _console(fields)
        return json.dumps(fields, default=str, separators=(",", ":"))

    def fields_of(self, record: logging.LogRecord) -> dict[str, Any]:
        moment = f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z"
        line: dict[str, Any] = {
            "at": moment,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _bounded(record.getMessage(), MAX_TEXT),
        }
        given = getattr(record, "fields", None)
        if given is None:
            given = dict(structlog.contextvars.get_contextvars())
            given |= {name: value for name, value in vars(record).items() if name not in _stdlib_names}
        line.update(_clean(given))
        if record.exc_info:
            line["exception"] = _bounded(self.formatException(record.exc_info), MAX_TRACEBACK)
        return line


def _console(fields: dict[str, Any]) -> str:
    """For a person at a terminal: the same values, each still on one line except a traceback."""
    trace = fields.pop("exception", "")
    head = f"{fields.pop('at')[11:23]} {fields.pop('level'):<8}{fields.pop('event')}"
    rest = " ".join(f"{name}={json.dumps(value, default=str)}" for name, value in fields.items() if name != "logger")
    return f"{head} {rest}" + (f"\n{trace}" if trace else "")


def _clean(fields: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for name, value in list(fields.items())[:MAX_FIELDS]:
        label = str(name)[:100]
        if _SECRET_NAME.search(label):
            clean[label] = REDACTED
        else:
            clean[label] = _value(value, depth, MAX_TRACEBACK if label == "exception" else MAX_TEXT)
    return clean


def _value(value: Any, depth: int, most: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value if not isinstance(value, int) or abs(value) < 10**30 else _bounded(repr(value), most)
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        return _clean(value, depth + 1)
    if isinstance(value, list | tuple | set | frozenset) and depth < MAX_DEPTH:
        return [_value(item, depth + 1, most) for item in list(value)[:MAX_FIELDS]]
    return _bounded(value if isinstance(value, str) else str(value), most)


def _bounded(text: str, most: int) -> str:
    # Cut first: a pattern over a megabyte of hostile text would cost more than the line is worth. What the cut may
    # leave of a token is replaced as well, because the patterns need only its beginning.
    kept = text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"
    return _SECRET_TEXT.sub(_replacement, kept)


def _replacement(match: re.Match[str]) -> str:
    return (match["scheme"] or match["name"] or match["address"] or "") + REDACTED


# --- what one request or task writes ------------------------------------------------------------------------------

_log = structlog.get_logger("portal")


def new_request_id() -> str:
    return uuid.uuid4().hex


def well_formed(request_id: object) -> bool:
    """Tell whether an id from outside may be used as ours: 8 to 128 letters, digits and `. _ : -`."""
    return isinstance(request_id, str) and _REQUEST_ID.fullmatch(request_id) is not None


def begin(request_id: object = None, **fields: Any) -> str:
    """Start a request or a task: everything logged until `end` carries the id. A malformed one is replaced."""
    chosen = str(request_id) if well_formed(request_id) else new_request_id()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=chosen, **fields)
    return chosen


def end() -> None:
    structlog.contextvars.clear_contextvars()


def current_request_id() -> str:
    """Return the id of the request or task that runs in this context, or an empty text."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def event(name: str, **fields: Any) -> None:
    _log.info(name, **fields)


def warning(name: str, **fields: Any) -> None:
    """Something that the caller or a neighbour caused: worth a look when there are many, not a fault of ours."""
    _log.warning(name, **fields)


def cause_of(error: BaseException) -> dict[str, str]:
    """What an error was, for a line without its traceback."""
    return {"error": type(error).__name__, "reason": str(error).strip().partition("\n")[0]}


def failure(name: str, **fields: Any) -> None:
    """An error with the traceback of the exception being handled, if there is one."""
    _log.error(name, exc_info=True, **fields)
