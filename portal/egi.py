"""Entitlement URNs of EGI Check-in: which group and role a person was given, and by whom.

A person may carry dozens of URNs of other communities, capabilities and legacy forms. Those are somebody
else's business: they are passed over, never an error.
Source: AARC-G002 and AARC-G069 (group membership), EGI Check-in service provider guide.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

#: The claims that carry entitlements; the second is the AARC-G069 name of the first.
CLAIMS = ("eduperson_entitlement", "entitlements")
NAMESPACES = frozenset({"urn:mace:egi.eu", "urn:mace:egi-dev.eu"})
AUTHORITIES = frozenset({"aai.egi.eu", "aai.egi-dev.eu"})
OPENEO_VO = "vo.openeo.cloud"

#: Longest URN that is looked at: a claim is input from outside.
MAX_LENGTH = 1024

_GROUP_URN = re.compile(
    r"""
    (?P<namespace> urn:[a-z0-9._-]+(?: :[a-z0-9._-]+)* )
    :group:
    (?P<vo> [a-z0-9._-]+ )
    (?: :(?!role=) (?P<group> [a-z0-9._%+-]+ (?: :(?!role=)[a-z0-9._%+-]+ )* ) )?
    (?: :role=(?P<role> [a-z0-9._%+-]+ ) )?
    \# (?P<authority> [a-z0-9._-]+ )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


class EntitlementError(ValueError):
    """The text is not a group entitlement URN."""


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Membership of a virtual organisation, perhaps of a group in it, perhaps with a role."""

    namespace: str
    vo: str
    group: str | None
    role: str | None
    authority: str

    @property
    def trusted(self) -> bool:
        """Whether namespace and authority are EGI's own; anybody can invent a URN of another one."""
        return self.namespace in NAMESPACES and self.authority in AUTHORITIES

    @property
    def role_key(self) -> str:
        """The role as it is compared: '30-Day-Trial' and '30day_trial' are one; '' for a plain member."""
        return role_key(self.role or "")


def role_key(role: str) -> str:
    """Reduce the spellings of a role to one."""
    return re.sub(r"[-_\s]", "", role).lower()


def parse(urn: str) -> Entitlement:
    """Read one group entitlement strictly.

    :raises EntitlementError: when the text is anything else, be it a capability or a legacy URN.
    """
    match = _GROUP_URN.fullmatch(urn) if len(urn) <= MAX_LENGTH else None
    if match is None:
        raise EntitlementError("not a group entitlement URN")
    group, role = match["group"], match["role"]
    return Entitlement(
        namespace=match["namespace"].lower(),
        vo=match["vo"].lower(),
        group=unquote(group) if group else None,
        role=unquote(role) if role else None,
        authority=match["authority"].lower(),
    )


def urns(claims: Mapping[str, object]) -> tuple[str, ...]:
    """Collect the entitlement texts of userinfo, in order and once each; a claim is text, list or missing."""
    found: dict[str, None] = {}
    for claim in CLAIMS:
        value = claims.get(claim)
        for item in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
            if isinstance(item, str) and 0 < len(item) <= MAX_LENGTH and item.isascii() and item.isprintable():
                found[item] = None
    return tuple(found)


def read(texts: Iterable[str]) -> tuple[Entitlement, ...]:
    """Read leniently: the trusted entitlements; everything else is passed over."""
    found = []
    for text in texts:
        try:
            entitlement = parse(text)
        except EntitlementError:
            continue
        if entitlement.trusted:
            found.append(entitlement)
    return tuple(found)


def holds(entitlements: Collection[Entitlement], wanted: str) -> bool:
    """Whether one of them is `wanted`: a role of the openEO organisation ('Early_Adopter'; '' for any member), or
    a whole URN, of which organisation, group and role count.

    :raises EntitlementError: when `wanted` is a broken URN.
    """
    if not wanted.lower().startswith("urn:"):
        roles = {item.role_key for item in entitlements if item.vo == OPENEO_VO}
        return bool(roles) if wanted == "" else role_key(wanted) in roles
    urn = parse(wanted)
    key = (urn.vo, urn.group, urn.role_key)
    return any((item.vo, item.group, item.role_key) == key for item in entitlements)


def choose_plan(entitlements: Collection[Entitlement], plans: Mapping[str, str]) -> str | None:
    """Choose the plan of the first key of `plans` that is held (see `holds`): its order is the order of preference.

    None: no entitlement gives a plan.
    """
    return next((plan for wanted, plan in plans.items() if holds(entitlements, wanted)), None)
