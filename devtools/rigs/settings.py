"""Production settings, but for what a loopback without TLS cannot have."""

import os

from portal.settings.base import *  # noqa: F403

# The rigs speak http on loopback to gunicorn itself; everything else is as shipped.
ROOT_URLCONF = os.environ.get("RIG_URLS", "portal.urls")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
