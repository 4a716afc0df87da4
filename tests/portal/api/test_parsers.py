"""What is JSON to us, and what is refused with the place of the fault."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from portal.api import parsers
from portal.api.parsers import BodyInvalid, decode

HTTP = [pytest.mark.django_db, pytest.mark.urls("tests.portal.api.probe")]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "Expecting value at line 1, column 1"),
        (b"nothing", "Expecting value at line 1, column 1"),
        (b'{"a": 1,}', "line 1, column 9"),
        (b'{"a": 1\n "b": 2}', "line 2, column 2"),
        (b"{'a': 1}", "line 1, column 2"),
        (b"{} {}", "Extra data at line 1, column 4"),
        (b"[1, 2", "line 1, column 6"),
        (b'"tab\there"', "Invalid control character"),
        (b'"\\x"', "Invalid \\escape"),
        (b"01", "Extra data"),
        (b"+1", "Expecting value"),
        (b".5", "Expecting value"),
        (b"NaN", "NaN is not a number"),
        (b"[Infinity]", "Infinity is not a number"),
        (b'{"a": -Infinity}', "-Infinity is not a number"),
        (b'{"a": 1e999999999}', "1e999999999 is too long, too large or too small"),
        (b'{"a": 1e-999999999}', "too small"),
        (b'{"a": 1e41}', "too large"),
        (b'{"a": 0e99999}', "too small"),
        (b'{"a": 0.' + b"1" * 80 + b"}", "too long"),
        (b"1" * 5000, "too long"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'"\xff"', "not UTF-8: byte 1"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'{"a"\x00: 1}', "line 1, column 5"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"[" * 65 + b"]" * 65, "nested more than 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested more than 64 levels"),
        (b"[" * 990 + b"]" * 990, "nested more than 64 levels"),
        (b"[" * 200_000, "nested more than 64 levels"),
    ],
)
def test_refused(raw: bytes, text: str) -> None:
    with pytest.raises(BodyInvalid) as caught:
        decode(raw)
    assert text in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"a": 1, "a": 2}', "a"),
        (b'{"a": {"b": 1, "c": 2, "\\u0062": 3}}', "b"),
        (b'{"lines": [{"unit": "x\\u0000"}]}', "lines.0.unit"),
        (b'{"user": "\\ud800"}', "user"),
        (b'{"user": "a\\udfffb"}', "user"),
        (b'{"bad\\u0000": 1}', None),
        (b'{"\\ud800": 1, "\\ud800": 2}', "\\ud800"),
    ],
)
def test_refused_with_the_field(raw: bytes, field: str | None) -> None:
    with pytest.raises(BodyInvalid) as caught:
        decode(raw)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"  [1.50, -0.0, 1e2]  ", [Decimal("1.50"), Decimal("-0.0"), Decimal("1E+2")]),
        (b"1704961751000", 1704961751000),
        (b"1e40", Decimal("1e40")),
        (b'"\\ud83d\\ude00 \\\\u0000 \\"a\\":"', '😀 \\u0000 "a":'),
        (b"[" * 64 + b"]" * 64, None),
        (b"\n{}\t", {}),
        (b"null", None),
        (b"[" + b"[]," * 500 + b"{}]", None),
    ],
)
def test_accepted(raw: bytes, value: Any) -> None:
    decoded = decode(raw)
    assert value is None or decoded == value


def test_numbers_with_a_fraction_are_decimals() -> None:
    assert str(decode(b"13400773.10")) == "13400773.10"
    assert isinstance(decode(b"4.0"), Decimal)
    assert type(decode(b"4")) is int


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(plain, st.booleans())
def test_what_a_strict_client_writes_is_read_as_it_is(value: Any, ascii_only: bool) -> None:
    assert decode(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\u0dD8 1eE.-ntfa', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        value = decode(raw)
    except BodyInvalid:
        return
    json.dumps(value, default=str).encode()


class TestOverHttp:
    pytestmark = HTTP

    def post(self, client: Client, body: bytes, content_type: str = "application/json", **headers: str) -> Any:
        return client.generic("POST", "/probe/echo", body, content_type, headers=headers)

    def test_the_view_gets_data_and_bytes(self, client: Client) -> None:
        answer = self.post(client, b'{"a": 1.50}')
        assert answer.json() == {"data": {"a": "1.50"}, "bytes": 11}

    @pytest.mark.parametrize(
        "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
    )
    def test_content_types(self, client: Client, content_type: str) -> None:
        assert self.post(client, b"{}", content_type).status_code == 200

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json-patch+json",
            "application/json; charset=latin-1",
            "application/cloudevents-batch+json",
            "",
        ],
    )
    def test_other_content_types_are_415(self, client: Client, content_type: str) -> None:
        answer = self.post(client, b"{}", content_type)
        assert answer.status_code == 415, answer.content
        assert answer.json()["code"] == "unsupported_media_type"

    def test_a_long_content_type_is_not_repeated(self, client: Client) -> None:
        answer = self.post(client, b"{}", content_type=f"application/{'x' * 5000}")
        assert answer.status_code == 415
        assert f'application/{"x" * 48}"' in answer.json()["detail"]

    def test_compressed_bodies_are_415(self, client: Client) -> None:
        assert self.post(client, b"\x1f\x8b", **{"content-encoding": "gzip"}).status_code == 415

    def test_too_many_bytes(self, client: Client) -> None:
        answer = self.post(client, b'"' + b"x" * 1999 + b'"')
        assert answer.status_code == 413
        assert "2001 bytes; 2000 are accepted" in answer.json()["detail"]

    def test_more_than_the_server_takes(self, client: Client) -> None:
        assert self.post(client, b"x" * (10 * 1024 * 1024 + 1)).status_code == 413

    def test_a_body_that_ends_early(self, client: Client) -> None:
        """Past the test client, which refuses to play a caller that hangs up."""
        environ = RequestFactory().generic("POST", "/probe/echo", b'{"a": 1}', "application/json").environ
        environ |= {"CONTENT_LENGTH": "30", "wsgi.input": io.BytesIO(b'{"a": 1}')}
        told: list[str] = []

        def start(status: str, headers: Any, failure: Any = None) -> Any:
            told.append(status)

        answer = b"".join(WSGIHandler()(environ, start))
        assert told == ["400 Bad Request"]
        assert b"ended after 8 of 30 bytes" in answer

    def test_a_body_without_length(self, client: Client) -> None:
        answer = client.generic(
            "POST",
            "/api/v1/usage-reports",
            b"{}",
            "application/json",
            CONTENT_LENGTH="",
            HTTP_TRANSFER_ENCODING="chunked",
        )
        assert answer.status_code == 411
        assert answer.json()["code"] == "length_required"

    def test_a_name_that_no_answer_could_carry(self, client: Client) -> None:
        answer = self.post(client, b'{"\\ud800": 1, "\\ud800": 2}')
        assert answer.status_code == 400
        assert answer.json()["field"] == "\\ud800"

    def test_the_answer_names_the_field(self, client: Client) -> None:
        problem = self.post(client, b'{"a": 1, "a": 2}').json()
        assert problem["code"] == "invalid_json"
        assert problem["field"] == "a"
        assert problem["detail"] == 'The key "a" appears twice in one object; send it once.'


def test_limits_are_what_the_documentation_says() -> None:
    assert (parsers.DEFAULT_MAX_BYTES, parsers.MAX_DEPTH) == (1024 * 1024, 64)


def test_what_users_write_is_cleaned_not_refused() -> None:
    """A title must not make a job unreportable: its characters are replaced, other fields stay strict."""
    free = frozenset({"title"})
    assert decode(b'{"title": "a\\u0000b\\ud800c \\ud83d\\ude00"}', free) == {"title": "a\ufffdb\ufffdc 😀"}
    assert decode(b'{"title": 5, "x": "\\u00e9"}', free) == {"title": 5, "x": "é"}
    assert decode(b'["\\u00e9"]', free) == ["é"]
    with pytest.raises(BodyInvalid):
        decode(b'{"title": "ok", "user": "a\\u0000"}', free)


@pytest.mark.parametrize(
    "strange", [b"NaN", b"1e999", b"9" * 4301, b'["\\ud800"]', b"[" * 70 + b"]" * 70, b"-Infinity"]
)
def test_what_is_no_text_where_users_write_becomes_null(strange: bytes) -> None:
    free = frozenset({"title"})
    assert decode(b'{"title": %b, "x": 1.5}' % strange, free)["title"] is None
    for body in (b'{"title": "t", "x": %b}' % strange, b'{"title": %b' % strange, b"[%b]" % strange):
        with pytest.raises(BodyInvalid):
            decode(body, free)


def test_a_long_whole_number_is_the_matter_of_its_field() -> None:
    assert decode(b"1" * 400) == int("1" * 400)


def test_what_users_write_is_found_inside_of_arrays() -> None:
    texts, ids = frozenset({"reports.*.title"}), frozenset({"reports.*.uses.*.process"})
    body = b'{"reports": [7, {"uses": 1}, {"title": ["\\u0000"], "uses": [{"process": "a\\u0000"}, null]}]}'
    assert decode(body, texts, ids)["reports"][2] == {"title": None, "uses": [{"process": "a\ufffd"}, None]}
    with pytest.raises(BodyInvalid):
        decode(b'{"reports": [{"uses": [{"process": ["\\u0000"]}]}]}', texts, ids)
