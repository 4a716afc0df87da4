"""What no client should send to /usage-reports, each with the field that the answer has to name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

from tests.accounting.api.v1.conftest import report_body

_NO_IDENTIFIER: dict[str, Any] = {
    "null": None,
    "number": 7,
    "fraction": 7.5,
    "true": True,
    "list": ["j-1"],
    "object": {"id": "j-1"},
    "empty": "",
    "blank": " ",
    "leading space": " j-1",
    "two spaces": "j  1",
    "newline": "j-1\n",
    "tab": "j\t1",
    "escape": "j\x1b[2J",
    "delete": "j\x7f",
    "zero width": "j\u200b1",
    "bidi override": "j\u202e1",
    "no-break space": "j\u00a01",
    "NUL": "j\x001",
    "half a surrogate pair": "j\ud800",
    "letters of another script": "\u0458-1",
    "long": "j" * 301,
}
_NO_QUANTITY: dict[str, Any] = {
    "null": None,
    "true": True,
    "list": [1],
    "object": {"value": 1},
    "negative": -1,
    "negative fraction": -0.001,
    "negative text": "-1",
    "empty": "",
    "word": "many",
    "spaces": " 1 ",
    "underscore": "1_000",
    "comma": "1,5",
    "plus": "+1",
    "exponent in a text": "1e3",
    "hexadecimal": "0x10",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "Arabic digits": "\u0661\u0662",
    "full-width digits": "\uff11\uff12",
    "superscript": "\u00b2",
    "no digit before the point": ".5",
    "no digit after the point": "5.",
    "two points": "1.2.3",
    "long": "1" * 19,
    "newline": "1\n",
}
_NO_INSTANT: dict[str, Any] = {
    "number": 1704961751000,
    "true": True,
    "word": "yesterday",
    "empty": "",
    "date": "2026-01-01",
    "naive": "2026-01-01T00:00:00",
    "no such day": "2026-02-30T00:00:00Z",
    "no such hour": "2026-01-01T25:00:00Z",
    "no such offset": "2026-01-01T00:00:00+99:00",
    "space before the zone": "2026-01-01T00:00:00 Z",
    "list": ["2026-01-01T00:00:00Z"],
    "before the year 1": "0001-01-01T00:00:00+14:00",
    "after the year 9999": "9999-12-31T23:59:59-14:00",
}
_NO_ORGANISATION: dict[str, Any] = {
    "fraction": 1.5,
    "text": "1",
    "true": True,
    "list": [1],
}
_NO_METRICS: dict[str, Any] = {
    "null": None,
    "object": {"cpu": {"value": 1, "unit": "cpu-seconds"}},
    "text": "cpu",
    "too many": [{"metric": "cpu", "quantity": 1, "unit": "cpu-seconds"}] * 101,
}


def _with(name: str, value: Any) -> dict[str, Any]:
    return {**report_body(), name: value}


def _metric(**changes: Any) -> dict[str, Any]:
    line = {"metric": "cpu", "quantity": 1, "unit": "cpu-seconds", **changes}
    return _with("metrics", [{"metric": "cpu", "quantity": 5, "unit": "cpu-seconds"}, line])


def fields() -> Iterator[tuple[str, dict[str, Any], str]]:
    """(name, body, field at fault)"""
    for name in ("source", "user", "job_id"):
        for what, value in _NO_IDENTIFIER.items():
            yield f"{name} {what}", _with(name, value), name
    for what in ("number", "empty", "newline", "zero width", "NUL", "long"):
        yield f"execution_id {what}", _with("execution_id", _NO_IDENTIFIER[what]), "execution_id"
        yield f"user_issuer {what}", _with("user_issuer", _NO_IDENTIFIER[what]), "user_issuer"
        for name in ("metric", "unit"):
            yield f"{name} {what}", _metric(**{name: _NO_IDENTIFIER[what]}), f"metrics.1.{name}"
    for name in ("started_at", "finished_at"):
        for what, value in _NO_INSTANT.items():
            yield f"{name} {what}", _with(name, value), name
    for what, value in _NO_QUANTITY.items():
        yield f"quantity {what}", _metric(quantity=value), "metrics.1.quantity"
    for what, value in _NO_ORGANISATION.items():
        yield f"organisation {what}", _with("organisation", value), "organisation"
    for what, value in _NO_METRICS.items():
        yield f"metrics {what}", _with("metrics", value), "metrics"
    yield from _others()


def _others() -> Iterator[tuple[str, dict[str, Any], str]]:
    for name, what in product(("process", "collection"), ("number", "true", "list", "object", "empty")):
        yield f"{name} {what}", _metric(**{name: _NO_IDENTIFIER[what]}), f"metrics.1.{name}"
    for name in ("source", "user", "job_id", "state", "metrics"):
        yield f"{name} missing", {key: value for key, value in report_body().items() if key != name}, name
    for name in ("metric", "quantity", "unit"):
        line = {"metric": "cpu", "quantity": 1, "unit": "cpu-seconds"}
        del line[name]
        yield f"{name} missing", _with("metrics", [line]), f"metrics.0.{name}"
    for value in ("FINISHED", "done", "", None, 1, ["finished"]):
        yield f"state {value!r}", _with("state", value), "state"
    for value in ("Batch", "", None, 1):
        yield f"kind {value!r}", _with("kind", value), "kind"
    yield "a metric that is no object", _with("metrics", ["cpu"]), "metrics.0"
    yield "a surcharge", _metric(metric="surcharge", unit="credits"), "metrics.1.metric"
    for name in ("jobId", "cost", "balance", "id", "idempotency_key", "orgId", "__proto__", "", "line\nbreak"):
        yield f"unknown {name!r}", _with(name, 1), name
    yield "unknown in a metric", _metric(price=0), "metrics.1.price"


def documents() -> Iterator[tuple[str, bytes]]:
    """Bodies that are no report at all, or no JSON at all."""
    good = json.dumps(report_body())
    yield from (
        ("empty", b""),
        ("blank", b"  "),
        ("null", b"null"),
        ("number", b"7"),
        ("text", b'"report"'),
        ("list", f"[{good}]".encode()),
        ("cut", good[:-1].encode()),
        ("two documents", (good + good).encode()),
        ("trailing comma", (good[:-1] + ",}").encode()),
        ("single quotes", good.replace('"', "'").encode()),
        ("comment", ("// hello\n" + good).encode()),
        ("NaN", good.replace("5099", "NaN").encode()),
        ("Infinity", good.replace("5099", "-Infinity").encode()),
        ("endless exponent", good.replace("5099", "1e999999999").encode()),
        ("endless number", good.replace("5099", "1" * 5000).encode()),
        ("leading zero", good.replace("5099", "05099").encode()),
        ("a key twice", ('{"source": "cdse", ' + good[1:]).encode()),
        ("UTF-16", good.encode("utf-16")),
        ("byte order mark", b"\xef\xbb\xbf" + good.encode()),
        ("no UTF-8", good.encode().replace(b"NDVI", b"\xff\xfe")),
        ("NUL byte", good.encode() + b"\x00"),
        ("deep", b'{"a":' * 2000 + b"1" + b"}" * 2000),
        ("deep list", b"[" * 100_000 + b"]" * 100_000),
        ("large", b'{"job_title": "' + b"t" * 2**23 + b'"}'),
        ("form", b"source=cdse&user=alice"),
    )
