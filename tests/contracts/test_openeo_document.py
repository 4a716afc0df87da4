"""The examples of docs/openeo.md are what the addresses answer."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from django.test import Client

from accounting import plans
from accounting.api.v1 import documents
from accounting.openeo_errors import CATALOGUE
from devtools.paths import ROOT

TEXT = (ROOT / "docs" / "openeo.md").read_text()
BILLING, ME, ERROR = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL))


def test_billing(db: None, client: Client, settings: Any) -> None:
    settings.PLANS_URL = "https://credits.example.org/"
    settings.TOP_UP_URL = "https://credits.example.org/dashboard/"
    assert client.get("/api/v1/openeo/billing").json() == BILLING


def test_me() -> None:
    me = msgspec.convert(ME, documents.OpenEOUser)
    assert ME.keys() == set(documents.OpenEOUser.__struct_fields__)
    assert me.default_plan == me.plans[0].name == plans.plan_of("sponsored", me.plans[0].description)
    assert [link.rel for link in me.links] == ["payment", "edit-form", "related"]


def test_errors() -> None:
    assert ERROR["code"] in CATALOGUE
    for cells in re.findall(r"^\| (`[A-Z][^|]*) \| ([\d, ]+) \|", TEXT, re.MULTILINE):
        codes, statuses = re.findall(r"`(\w+)`", cells[0]), [int(status) for status in cells[1].split(", ")]
        for code, status in zip(codes, statuses * (len(codes) if len(statuses) == 1 else 1), strict=True):
            assert CATALOGUE[code].status == status
