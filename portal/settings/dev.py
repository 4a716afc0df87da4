"""`make run`: one machine, http, demonstration people. Never for real credits."""

from portal.settings.base import *  # noqa: F403

# Off, so that what is looked at is what people will see, error pages included.
DEBUG = False
STYLEGUIDE = True
# The front end comes from where it is built: nothing has to be collected after a change.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
