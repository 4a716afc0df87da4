"""The same as `portal.wsgi` for servers that speak ASGI."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.production")

application = get_asgi_application()

from portal import checks  # noqa: E402  # needs the applications loaded

checks.refuse_unsafe_start()
