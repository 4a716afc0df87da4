"""The project package: settings, sign-in, pages and the shell around the APIs."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
