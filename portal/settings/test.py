"""The test suite. Services come from the environment; what is missing there gets a value that cannot be reached."""

import os

_DEFAULTS = {
    "SECRET_KEY": "test-only-key-that-signs-nothing-outside-the-test-suite-0123456789",
    "PUBLIC_URL": "http://testserver",
    "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
    "DATABASE_URL": "postgresql://portal@127.0.0.1:1/portal",
    "DATABASE_STATEMENT_TIMEOUT_MS": "60000",
    "CELERY_BROKER_URL": "memory://",
    "OIDC_ISSUER": "http://127.0.0.1:1/auth/realms/egi",
    "OIDC_RP_CLIENT_ID": "portal",
    "OIDC_RP_CLIENT_SECRET": "test-only",
    "LOG_LEVEL": "INFO",
}
for _name, _value in _DEFAULTS.items():
    if f"{_name}_FILE" not in os.environ:
        os.environ.setdefault(_name, _value)

from portal.settings.base import *  # noqa: E402, F403

STYLEGUIDE = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# The pages are served from the sources of the assets; collecting them is a step of the deployment.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
