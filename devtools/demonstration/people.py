"""Who takes part: the one source for the sign-in provider's list, the organisations and everybody's habits.

Names are invented. Subs look like EGI Check-in's and never change, so a database and a provider that were started
at different times speak of the same people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VO = "urn:mace:egi.eu:group:vo.openeo.cloud"
MEMBER = f"{VO}#aai.egi.eu"
EARLY_ADOPTER = f"{VO}:role=early_adopter#aai.egi.eu"
DEVELOPER = f"{VO}:role=Platform-developer#aai.egi.eu"
TRIAL = f"{VO}:role=30day-trial#aai.egi.eu"
STUDENT = f"{VO}:role=University_Student#aai.egi.eu"
ELSEWHERE = "urn:mace:egi.eu:aai.egi.eu:member@fedcloud.egi.eu"
"""Many people carry the legacy URN of another community; it means nothing here."""


@dataclass(frozen=True)
class Organisation:
    """Shared credits. `members` maps logins to roles, the owner first."""

    slug: str
    name: str
    category: str
    members: Mapping[str, str]

    @property
    def owner(self) -> str:
        return next(iter(self.members))


@dataclass(frozen=True)
class Habits:
    """How somebody works: jobs on a working day, how large, where (source id to weight), how many run as batch.

    `names` is an organisation whose id the person's jobs carry, in the share `naming` of them; a person who is no
    member of it shows what happens to a stranger's `orgId`.
    """

    jobs_a_day: float
    sources: Mapping[str, float]
    size: float = 1.0
    batch: float = 0.6
    night_owl: bool = False
    names: str = ""
    naming: float = 0.0


@dataclass(frozen=True)
class Person:
    """`current` is the organisation that pays by default, empty for the personal one. `live` goes on working."""

    login: str
    name: str
    who: str
    habits: Habits
    entitlements: tuple[str, ...] = (MEMBER,)
    current: str = ""
    live: bool = False

    @property
    def sub(self) -> str:
        return f"{hashlib.sha256(f'demonstration/{self.login}'.encode()).hexdigest()}@egi.eu"

    def at_provider(self) -> dict[str, Any]:
        """The entry in the development provider's list of people."""
        first, _, last = self.name.partition(" ")
        return {
            "login": self.login,
            "sub": self.sub,
            "name": self.name,
            "given_name": first,
            "family_name": last,
            "email": f"{self.login}@example.org",
            "email_verified": True,
            "eduperson_entitlement": list(self.entitlements),
            "entitlements": list(self.entitlements),
            "note": self.who,
        }


ORGANISATIONS = (
    Organisation(
        "forest",
        "Forest Watch Lab",
        "research",
        {"ines": "owner", "jonas": "manager", "katarzyna": "developer", "luca": "developer"},
    ),
    Organisation("delta", "Delta Hydrology", "company", {"eleni": "owner", "bram": "developer"}),
    Organisation("snow", "Alpine Snow Office", "public", {"anna": "owner", "luca": "manager"}),
    Organisation(
        "agri", "Agri Insight Cooperative", "company", {"siobhan": "owner", "jiri": "developer", "aino": "viewer"}
    ),
)

TERRASCOPE, CDSE, EODC, SENTINEL_HUB = "TerraScope/MEP", "cdse", "eodc", "sentinel-hub-openeo"

PEOPLE = (
    Person(
        "ines",
        "Inês Carvalho",
        "Owner of Forest Watch Lab, many large jobs",
        Habits(11, {TERRASCOPE: 6, CDSE: 3, EODC: 1}, size=2.2, batch=0.75),
        (EARLY_ADOPTER, ELSEWHERE),
        current="forest",
    ),
    Person(
        "jonas",
        "Jonas Lindqvist",
        "Manager of Forest Watch Lab",
        Habits(4, {TERRASCOPE: 5, CDSE: 2}, batch=0.5),
        (EARLY_ADOPTER,),
        current="forest",
    ),
    Person(
        "katarzyna",
        "Katarzyna Wójcik",
        "Developer in Forest Watch Lab, works at night",
        Habits(7, {TERRASCOPE: 3, EODC: 2, SENTINEL_HUB: 1}, size=1.3, night_owl=True),
        (DEVELOPER,),
        current="forest",
    ),
    Person(
        "luca",
        "Luca Rossi",
        "Manager of Alpine Snow Office, also in Forest Watch Lab",
        Habits(4, {CDSE: 4, SENTINEL_HUB: 2}, names="forest", naming=0.35),
        (MEMBER, ELSEWHERE),
        current="snow",
        live=True,
    ),
    Person(
        "eleni",
        "Eleni Papadaki",
        "Owner of Delta Hydrology, which is slightly in debt",
        Habits(5, {CDSE: 5, EODC: 2}, size=1.4),
        (EARLY_ADOPTER,),
        current="delta",
    ),
    Person(
        "bram",
        "Bram de Vries",
        "Developer in Delta Hydrology",
        Habits(4, {TERRASCOPE: 3, CDSE: 2}, batch=0.4),
        current="delta",
    ),
    Person(
        "anna",
        "Anna Gruber",
        "Owner of Alpine Snow Office",
        Habits(5, {EODC: 4, SENTINEL_HUB: 3, CDSE: 1}, batch=0.55),
        (DEVELOPER,),
        current="snow",
        live=True,
    ),
    Person(
        "siobhan",
        "Siobhán O'Brien",
        "Owner of Agri Insight Cooperative, plenty of credits, jobs arrive while you look",
        Habits(8, {CDSE: 4, TERRASCOPE: 3, SENTINEL_HUB: 1}, size=3.0, batch=0.8),
        (EARLY_ADOPTER,),
        current="agri",
        live=True,
    ),
    Person(
        "jiri",
        "Jiří Novák",
        "Developer in Agri Insight Cooperative, interactive work",
        Habits(12, {SENTINEL_HUB: 4, CDSE: 3, TERRASCOPE: 2}, size=0.6, batch=0.2),
        (DEVELOPER,),
        current="agri",
        live=True,
    ),
    Person(
        "aino",
        "Aino Virtanen",
        "Student, may only look at Agri Insight Cooperative, free credits",
        Habits(1.5, {TERRASCOPE: 2, EODC: 1}, size=0.4, batch=0.3),
        (STUDENT,),
    ),
    Person(
        "milan",
        "Milan Kovačević",
        "On a 30-day trial",
        Habits(2, {CDSE: 2, EODC: 1}, size=0.5, batch=0.3),
        (TRIAL,),
    ),
    Person(
        "dragos",
        "Dragoș Ionescu",
        "No entitlement; names an organisation that does not know him",
        Habits(1.5, {TERRASCOPE: 1}, size=0.4, batch=0.5, names="forest", naming=0.1),
        (),
    ),
)

SERVICE_ACCOUNT = "service-account-crop-monitor@egi.eu"
"""Runs a job every night and never signs in: known only from the reports of back ends."""
SERVICE_ACCOUNT_HABITS = Habits(1, {CDSE: 1}, size=0.5, batch=1.0, night_owl=True)

MAIN = PEOPLE[0]
"""The person of `.local/demo.env`: rich in history, and left alone by the live back end, so that figures hold still."""


def find(login: str) -> Person:
    """:raises StopIteration: nobody has that login."""
    return next(person for person in PEOPLE if person.login == login)
