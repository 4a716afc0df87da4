"""Somebody who reads pages without a browser: who they are, where they look, and the words they see."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

from portal import claims

ISSUER = "https://aai.example.org/auth/realms/egi"
GOLDEN = "/jobs/TerraScope/MEP/j-2611209f31c4a7"
RECEIPT = GOLDEN.replace("/jobs/", "/receipts/")
PRIVATE = ["/dashboard/", "/jobs/", GOLDEN, RECEIPT, "/compare/", "/estimates/", "/profile/"]


def sign_in(sub: str, **info: Any) -> Client:
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(claims.store(ISSUER, sub, {"name": sub} | info))
    return client


def text_of(response: Any) -> str:
    """What a reader reads: no tags, one space between words."""
    spaced = re.sub(
        r"</?(?:t[dhr]|d[tdl]|p|div|h[1-6]|li|a|button|section|caption)\b", r" \g<0>", response.content.decode()
    )
    plain = re.sub(r"<[^>]*>", "", spaced)
    return " ".join(plain.replace("&#x27;", "'").split())
