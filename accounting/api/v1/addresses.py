"""Addresses of what answers name. A source has slashes of its own, and a job id may have some."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urlencode
from uuid import UUID

from django.conf import settings

ROOT = "/api/v1"


def job(source: str, job_id: str) -> str:
    return f"{ROOT}/jobs/{quote(source)}/{quote(job_id)}"


def hold(uuid: UUID) -> str:
    return f"{ROOT}/holds/{uuid}"


def rate_card(backend: str, source: str, version: int) -> str:
    """The page for people."""
    return f"{settings.PUBLIC_URL}/rates/{quote(backend)}/{version}/?{urlencode({'source': source})}"


def readings(path: str) -> Iterator[tuple[str, str]]:
    """Every (source, job id) that the path may mean, the longest source first."""
    end = len(path)
    while (end := path.rfind("/", 0, end)) >= 0:
        if end:
            yield path[:end], path[end + 1 :]
