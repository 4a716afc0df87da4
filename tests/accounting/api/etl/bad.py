"""Bodies that no client should send, each with the field that the answer has to name."""

from __future__ import annotations

import json
from typing import Any

from tests.accounting.api.etl.wire import METRICS, added_value, resources

Case = tuple[str, Any, str | None]
"""Endpoint, body (bytes go out as they are), field named in the answer."""

_NO_TEXT: dict[str, Any] = {
    "number": 7,
    "fraction": 7.5,
    "true": True,
    "list": ["j-1"],
    "object": {"id": "j-1"},
    "empty": "",
    "blank": " ",
    "leading space": " j-1",
    "trailing space": "j-1 ",
    "two spaces": "j  1",
    "newline": "j-1\n",
    "tab": "j\t1",
    "escape": "j\x1b[2J",
    "delete": "j\x7f",
    "zero width": "j\u200b1",
    "bidi override": "j\u202e1",
    "no-break space": "j\u00a01",
    "byte order mark": "\ufeffj",
    "NUL": "j\x001",
}
_NO_NUMBER: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "empty": "",
    "word": "many",
    "list": [1],
    "object": {"value": 1},
    "spaces": " 1 ",
    "underscore": "1_000",
    "comma": "1,5",
    "plus": "+1",
    "hexadecimal": "0x10",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "Arabic digits": "\u0661\u0662",
    "full-width digits": "\uff11\uff12",
    "superscript": "\u00b2",
    "no digit before the point": ".5",
    "no digit after the point": "5.",
    "two points": "1.2.3",
    "huge exponent": "1e99",
    "tiny exponent": "1e-99",
    "endless exponent": "1e999999999",
    "long": "1" * 61,
    "newline": "1\n",
    "NUL": "1\x00",
}
_NO_INSTANT = {name: value for name, value in _NO_NUMBER.items() if name != "null"} | {
    "ISO 8601": "2024-01-11T08:29:11Z",
    "yesterday": "yesterday",
}
_NO_ORGANISATION: dict[str, Any] = {
    "true": True,
    "false": False,
    "fraction": 1.5,
    "word": "geo-lab",
    "empty": "",
    "list": [1],
    "object": {"id": 1},
    "text of a fraction": "1.0",
    "spaces": " 1",
    "underscore": "1_0",
    "Arabic digits": "\u0661",
    "plus": "+1",
    "exponent": "1e3",
    "long text": "9" * 41,
}
_NO_CHOICE: dict[str, Any] = {
    "list": ["FAILED"],
    "empty list": [],
    "lower case": "finished",
    "unknown": "DONE",
    "empty": "",
    "space": "FINISHED ",
    "number": 1,
    "true": True,
    "object": {"state": "FINISHED"},
    "Cyrillic look-alike": "F\u0410ILED",
}
_NO_OBJECT: dict[str, Any] = {"list": [], "text": "x", "number": 0, "true": True, "list of metrics": [METRICS["cpu"]]}
_NO_UNIT: dict[str, Any] = {
    "missing": ...,
    "null": None,
    "empty": "",
    "number": 1,
    "list": ["cpu-seconds"],
    "true": True,
    "long": "x" * 51,
    "newline": "cpu-seconds\n",
}
_LENGTHS = {"jobId": 300, "executionId": 300, "idempotencyKey": 300, "userId": 255, "sourceId": 200}


def cases() -> dict[str, Case]:
    """Malformed bodies by a name for the test's report."""
    found: dict[str, Case] = {}
    for endpoint, body in (("resources", resources), ("addedvalue", added_value)):
        for field, values in _fields().items():
            for what, value in values.items():
                if endpoint == "addedvalue" and field == "idempotencyKey" and _is_free(value):
                    continue
                found[f"{endpoint}: {field}: {what}"] = (endpoint, body(**{field: value}), field)
    return found | _metrics() | _services() | _documents()


def _is_free(value: Any) -> bool:
    """Users name their processes, and clients build keys from the names, so every text is taken."""
    return isinstance(value, str) and value != ""


def _fields() -> dict[str, dict[str, Any]]:
    """What the fields of both endpoints must not be."""
    absent = {"null": None, "missing": ...}
    no_word = {"number": 7, "list": ["a"], "object": {}, "true": True}
    return {
        **{name: _NO_TEXT | absent | {"long": "x" * (_LENGTHS[name] + 1)} for name in ("jobId", "userId", "sourceId")},
        **{name: _NO_TEXT | {"long": "x" * (_LENGTHS[name] + 1)} for name in ("executionId", "idempotencyKey")},
        "jobStart": _NO_INSTANT,
        "jobFinish": _NO_INSTANT,
        "orgId": _NO_ORGANISATION,
        "state": _NO_CHOICE,
        "status": _NO_CHOICE,
        "orchestrator": no_word,
    }


def _metrics() -> dict[str, Case]:
    found: dict[str, Case] = {}

    def add(name: str, metrics: Any, field: str) -> None:
        found[f"metrics: {name}"] = ("resources", resources(metrics=metrics), field)

    add("missing", ..., "metrics")
    add("null", None, "metrics")
    for what, value in _NO_OBJECT.items():
        add(what, value, "metrics")
        add(f"cpu: {what}", {"cpu": value}, "metrics.cpu")
    add("cpu: empty", {"cpu": {}}, "metrics.cpu.value")
    add("second one wrong", {"cpu": METRICS["cpu"], "time": 5}, "metrics.time")
    for what, value in (_NO_NUMBER | {"negative": -1, "negative text": "-1", "negative fraction": -0.001}).items():
        add(f"value: {what}", {"cpu": {"value": value, "unit": "cpu-seconds"}}, "metrics.cpu.value")
    for what, value in _NO_UNIT.items():
        unit = {} if value is ... else {"unit": value}
        add(f"unit: {what}", {"cpu": {"value": 1} | unit}, "metrics.cpu.unit")
    add("name: empty", {"": METRICS["cpu"]}, "metrics")
    add("name: long", {"x" * 51: METRICS["cpu"]}, "metrics")
    add("name: newline", {"a\nb": METRICS["cpu"]}, "metrics")
    add("too many", {f"m{number}": METRICS["cpu"] for number in range(51)}, "metrics")
    return found


def _services() -> dict[str, Case]:
    found: dict[str, Case] = {}

    def add(name: str, field: str, **changes: Any) -> None:
        found[f"addedvalue: {name}"] = ("addedvalue", added_value(**changes), field)

    for what, value in (_NO_TEXT | {"null": None, "missing": ...}).items():
        if not _is_free(value):
            add(f"service: {what}", "service", service=value)
    for what, value in (_NO_OBJECT | {"null": None, "missing": ...}).items():
        add(f"area: {what}", "area", area=value)
    add("area: empty", "area.value", area={})
    for what, value in (_NO_NUMBER | {"negative": -40}).items():
        add(f"area: value: {what}", "area.value", area={"value": value, "unit": "square_meter"})
    for what, value in _NO_UNIT.items():
        unit = {} if value is ... else {"unit": value}
        add(f"area: unit: {what}", "area.unit", area={"value": 1} | unit)
    return found


def _documents() -> dict[str, Case]:
    """What is no JSON, or JSON that says two things."""
    good = json.dumps(resources()).encode()

    def with_number(text: str) -> bytes:
        return good.replace(b'"value": 53,', f'"value": {text},'.encode())

    bodies: dict[str, tuple[bytes, str | None]] = {
        "nothing": (b"", "metrics"),
        "blank": (b"  ", None),
        "null": (b"null", None),
        "true": (b"true", None),
        "a number": (b"12", None),
        "a text": (b'"report"', None),
        "an empty list": (b"[]", None),
        "a list of reports": (b"[" + good + b"]", None),
        "an empty object": (b"{}", "metrics"),
        "cut": (good[:-1], None),
        "cut in the middle": (good[: len(good) // 2], None),
        "followed by another": (good + good, None),
        "followed by a comma": (good + b",", None),
        "single quotes": (b"{'jobId': 'j'}", None),
        "trailing comma": (good[:-1] + b",}", None),
        "a comment": (b"/* a */" + good, None),
        "a form": (b"jobId=j&userId=u", None),
        "XML": (b"<report/>", None),
        "byte order mark": (b"\xef\xbb\xbf" + good, None),
        "UTF-16": (good.decode().encode("utf-16"), None),
        "Latin-1": (good.replace(b"a test", b"caf\xe9"), None),
        "overlong UTF-8": (good.replace(b"a test", b"\xc0\x80"), None),
        "raw newline in a text": (good.replace(b"a test", b"a\ntest"), None),
        "raw NUL": (good.replace(b"a test", b"a\x00test"), None),
        "half a surrogate pair": (good.replace(b"j-abc123", b"\\ud800"), "jobId"),
        "NUL in an unknown field": (good[:-1] + b', "more": {"a": ["\\u0000"]}}', "more.a.0"),
        "NUL in a name": (good[:-1] + b', "\\u0000": 1}', None),
        "a key twice": (good[:-1] + b', "jobId": "j-other"}', "jobId"),
        "a unit twice": (good.replace(b'"value": 53,', b'"value": 53, "unit": "cpu-hours",'), "unit"),
        "a metric twice": (good.replace(b'"metrics": {', b'"metrics": {"cpu": null, '), "cpu"),
        "NaN": (with_number("NaN"), None),
        "Infinity": (with_number("Infinity"), None),
        "-Infinity": (with_number("-Infinity"), None),
        "1e400": (with_number("1e400"), None),
        "1e-400": (with_number("1e-400"), None),
        "1e41": (with_number("1e41"), None),
        "a number of 5,000 digits": (with_number("9" * 5000), None),
        "a fraction of 5,000 digits": (with_number("0." + "9" * 5000), None),
        "leading zero": (with_number("053"), None),
        "leading plus": (with_number("+53"), None),
        "hexadecimal": (with_number("0x35"), None),
        "deep lists": (good[:-1] + b', "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
        "deep lists, not too deep for Python": (good[:-1] + b', "more": ' + b"[" * 200 + b"]" * 200 + b"}", None),
        "deep objects": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, None),
        "unclosed lists": (b"[" * 100_000, None),
    }
    return {f"document: {name}": ("resources", body, field) for name, (body, field) in bodies.items()}
