"""JSON out: decimals as texts, and nothing that cannot be written."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from django.utils.functional import lazystr

from portal.api import renderers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("5.7600"), b'"5.7600"'),
        (4.5, b"4.5"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), b'"2026-01-02T03:04:05Z"'),
        (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        (lazystr("later"), b'"later"'),
        (MappingProxyType({"a": 1}), b'{"a":1}'),
        (OrderedDict(b=1, a=2), b'{"b":1,"a":2}'),
        ((number for number in (1, 2)), b"[1,2]"),
        (float("nan"), b"null"),
        ("é\x00</script>", '"é\\u0000</script>"'.encode()),
    ],
)
def test_values(value: Any, text: bytes) -> None:
    assert renderers.encode(value) == text


def test_what_has_no_form_is_an_error_of_ours() -> None:
    with pytest.raises(NotImplementedError, match="object has no JSON form"):
        renderers.encode(object())


def test_nothing_is_an_empty_answer() -> None:
    assert renderers.JSONRenderer().render(None) == b""
