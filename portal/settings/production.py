"""Real credits. portal.checks lists what stops the start; `manage.py check --deploy` shows it without starting."""

from portal import surfaces
from portal.settings import environment
from portal.settings.base import *  # noqa: F403
from portal.settings.base import CONTENT_SECURITY_POLICY, ETL_MOUNT

#: Read by portal.checks.refuse_unsafe_start.
REFUSE_UNSAFE_START = True

SECURE_SSL_REDIRECT = True
# The APIs answer 403 over http (portal.middleware.Transport) and the probes of an orchestrator come without TLS.
SECURE_REDIRECT_EXEMPT = [surfaces.machine_paths(ETL_MOUNT)]
SECURE_HSTS_SECONDS = environment.whole("HSTS_SECONDS", 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True

# __Host- binds the cookie to this host, to https and to the path /.
SESSION_COOKIE_NAME = "__Host-session"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrf"
CSRF_COOKIE_SECURE = True

CONTENT_SECURITY_POLICY["DIRECTIVES"]["upgrade-insecure-requests"] = True

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
