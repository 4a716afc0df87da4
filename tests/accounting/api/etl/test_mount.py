"""The whole ETL API under another base, as a federation that keeps its old addresses needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

_SAYS = """
import django, json
django.setup()
from django.urls import Resolver404, resolve
from portal.api.schema import document
from portal.surfaces import surface_of
def name(path):
    try:
        return resolve(path).view_name
    except Resolver404:
        return None
paths = ["/usage/etl/resources", "/usage/etl//resources", "/usage/etl/docs/", "/resources", "/health"]
print(json.dumps({
    "names": [name(path) for path in paths],
    "surfaces": [surface_of(path) for path in paths[:2]],
    "documented": sorted(json.loads(document("etl"))["paths"]),
}))
"""


def test_mounted_elsewhere() -> None:
    env = os.environ | {"ETL_MOUNT": "usage/etl", "DJANGO_SETTINGS_MODULE": "portal.settings.test"}
    said = subprocess.run(
        [sys.executable, "-c", _SAYS], env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(said.stdout.splitlines()[-1]) == {
        "names": ["etl-resources", "etl-resources-slashes", "etl_documentation", None, "health"],
        "surfaces": ["etl", "etl"],
        "documented": [
            f"/usage/etl/{name}" for name in ("addedvalue", "resources", "user", "user/permissions", "validate/auth")
        ],
    }
