"""Addresses of jobs. A source has slashes of its own, and a job id may have some."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote
from uuid import UUID

ROOT = "/api/v1"


def job(source: str, job_id: str) -> str:
    return f"{ROOT}/jobs/{quote(source)}/{quote(job_id)}"


def hold(uuid: UUID) -> str:
    return f"{ROOT}/holds/{uuid}"


def readings(path: str) -> Iterator[tuple[str, str]]:
    """Every (source, job id) that the path may mean, the longest source first."""
    end = len(path)
    while (end := path.rfind("/", 0, end)) >= 0:
        if end:
            yield path[:end], path[end + 1 :]
