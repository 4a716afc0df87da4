"""One bounded line for each event, whoever wrote it and whatever is in it, and never a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from portal import logs

JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def fresh_context() -> Iterator[None]:
    logs.end()
    yield
    logs.end()


class Lines:
    """What the real handler would have written."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.caplog = caplog

    def texts(self) -> list[str]:
        formatter = logs.Formatter("json")
        return [formatter.format(record) for record in self.caplog.records]

    def named(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.texts()) if line["event"] == event]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    return Lines(caplog)


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {JWT}",
        f"Bearer oidc/egi/{JWT}",
        f"token was {JWT} here",
        f"cut: {JWT[:30]}",
        "Basic cG9ydGFsOmh1bnRlcjI=",
        "/oidc/callback/?code=hunter2-code&state=hunter2-state&session_state=hunter2",
        "code=hunter2",
        '{"access_token": "hunter2", "refresh_token": "hunter2", "id_token":"hunter2"}',
        "grant_type=x&client_secret=hunter2&client_assertion=hunter2",
        "logout?id_token_hint=hunter2",
        "password: hunter2",
        "{'password': 'hunter2'}",
        "Cookie: __Host-session=hunter2; csrftoken=hunter2; __Host-csrf=hunter2; sessionid=hunter2",
        "postgresql://portal:hunter2@db.example.org/portal",
        "amqp://user:hunter2@broker:5672//",
        "sk_live_hunter2 whsec_hunter2",
        "whsec_aB3/hunter2+hunter2=",
        "oec_hunter2",
    ],
)
def test_secrets_in_a_text(lines: Lines, text: str) -> None:
    logs.event("something", detail=text, nested={"list": [text]})
    logging.getLogger("a.library").warning("it said %s", text)
    logs.event(text)
    for line in lines.texts():
        assert "hunter2" not in line
        assert JWT[:30] not in line
        assert "cG9ydGFs" not in line
        assert logs.REDACTED in line


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "HTTP_COOKIE",
        "set-cookie",
        "client_secret",
        "password",
        "access_token",
        "api_key",
        "session_key",
    ],
)
def test_secrets_by_their_name(lines: Lines, name: str) -> None:
    logs.event("something", **{name: "hunter2"}, headers={name: ["hunter2"]})
    logging.getLogger("a.library").warning("it", extra={name: "hunter2"})
    assert "hunter2" not in "".join(lines.texts())


def test_what_is_no_secret_stays(lines: Lines) -> None:
    logs.event("booked", job="j-1", state="FINISHED", code="unit_unknown", amount="5.76", source="TerraScope/MEP")
    (line,) = lines.named("booked")
    assert (line["state"], line["code"], line["source"]) == ("FINISHED", "unit_unknown", "TerraScope/MEP")


@pytest.mark.parametrize(
    "text",
    [
        'two\r\n{"event":"forged"}',
        "\x1b[31mred\x1b]0;title\x07",
        "\u202egnp.exe \u2066hidden\u2069",
        "\u2028line\u2029paragraph\x85next",
        "\x00\x08\x7f",
        "\ud800",
        "x" * 1_000_000,
        "=cmd|' /C calc'!A0",
    ],
)
def test_one_bounded_ascii_line(lines: Lines, text: str) -> None:
    logs.event("something", detail=text, **{text[:50]: 1})
    logging.getLogger("a.library").error(text)
    try:
        raise ValueError(text)
    except ValueError:
        logs.failure("failed")
    for line in lines.texts():
        assert line.isascii()
        assert line.isprintable()
        assert len(line) < 40_000
        assert json.loads(line)["event"] != "forged"


def test_too_many_values(lines: Lines) -> None:
    logs.event("something", **{f"name_{number}": number for number in range(1000)}, deep={"a": {"b": {"c": {"d": 1}}}})
    assert len(lines.named("something")[0]) < 60


@given(st.text(), st.text())
def test_any_text_is_one_line(name: str, value: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, value, None, None)
    record.fields = {name: value, "inner": [{name: value}]}
    line = logs.Formatter("json").format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["level"] == "info"


def test_the_console_form_keeps_to_a_line_too() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "hello", None, None)
    record.fields = {"detail": "a\nb\x1b[31m", "password": "hunter2"}
    text = logs.Formatter("console").format(record)
    assert text.count("\n") == 0
    assert "\x1b" not in text
    assert "hunter2" not in text


# --- requests -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
class TestRequests:
    def test_one_line_for_a_request(self, client: Client, lines: Lines) -> None:
        client.get("/health?code=hunter2")
        (line,) = lines.named("request")
        assert line["method"] == "GET"
        assert line["route"] == "health"
        assert line["status"] == 200
        assert line["actor_kind"] == "anonymous"
        assert 0 <= line["ms"] < 60_000
        assert "hunter2" not in json.dumps(line)

    def test_a_refused_host_has_a_line_too(self, client: Client, lines: Lines) -> None:
        client.get("/dashboard/", headers={"host": "evil.example.org"})
        assert [line["status"] for line in lines.named("request")] == [400]
        (line,) = lines.named("host_refused")
        assert (line["level"], line["host"]) == ("warning", "evil.example.org")
        assert "Traceback" not in "".join(lines.texts())

    @pytest.mark.parametrize("path", ["/health/ready", "/dashboard/"])
    def test_what_is_away_is_a_line_and_no_traceback(
        self, client: Client, lines: Lines, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        def away(*_: object, **__: object) -> None:
            raise OperationalError("connection to server failed: Connection refused\n\tIs it running?")

        monkeypatch.setattr(connection, "cursor", away)
        client.raise_request_exception = False
        client.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
        answer = client.get(path)
        written = [line for line in map(json.loads, lines.texts()) if line["event"] in {"unavailable", "not_ready"}]
        assert answer.status_code == 503
        assert {line["level"] for line in written} == {"warning"}
        assert all(line["error"] == "OperationalError" and line["reason"].endswith("refused") for line in written)
        assert "Traceback" not in "".join(lines.texts())

    @pytest.mark.parametrize("request_id", ["0123456789abcdef", "a.b_c:d-e9", "A" * 128])
    def test_a_good_request_id_is_kept(self, client: Client, lines: Lines, request_id: str) -> None:
        answer = client.get("/health", headers={"x-request-id": request_id})
        assert answer["X-Request-ID"] == request_id
        assert lines.named("request")[0]["request_id"] == request_id

    @pytest.mark.parametrize(
        "request_id",
        [
            "",
            "short",
            "x" * 129,
            "has space",
            "new\nline-0123",
            "<script>alert",
            "ünïcode-0123",
            "-begins",
            "../../etc/passwd",
        ],
    )
    def test_another_one_is_replaced(self, client: Client, request_id: str) -> None:
        answer = client.get("/health", headers={"x-request-id": request_id})
        assert answer["X-Request-ID"] != request_id
        assert logs.well_formed(answer["X-Request-ID"])

    def test_ids_do_not_leak_from_one_request_to_the_next(self, client: Client, lines: Lines) -> None:
        client.get("/health", headers={"x-request-id": "first-request"})
        assert logs.current_request_id() == ""
        client.get("/health")
        assert lines.named("request")[1]["request_id"] != "first-request"

    def test_the_address_of_an_unknown_page_is_cut(self, client: Client, lines: Lines) -> None:
        client.get("/" + "x" * 5000)
        (line,) = lines.named("request")
        assert line["route"] is None
        assert len(line["path"]) == 200
