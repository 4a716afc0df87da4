"""What gunicorn serves. In production it refuses to start with unsafe settings."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.production")

application = get_wsgi_application()

from portal import checks  # noqa: E402  # needs the applications loaded

checks.refuse_unsafe_start()
