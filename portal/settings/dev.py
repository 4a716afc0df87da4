"""`make run`: one machine, http, demonstration people. Never for real credits."""

from portal.settings.base import *  # noqa: F403

DEBUG = True
INTERNAL_IPS = ["127.0.0.1"]
