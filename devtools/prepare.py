"""Brings the database of DATABASE_URL, which must be the owner's, up to the code: schema, then privileges.

One process for both, because most of the time of each is loading Django.
"""

import django
from django.core.management import call_command


def main() -> None:
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("grant_privileges")


if __name__ == "__main__":
    main()
