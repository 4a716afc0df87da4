"""Entitlement URNs as EGI Check-in really sends them, and everything that looks like them."""

import pytest

from portal import egi

BASE = "urn:mace:egi.eu:group:vo.openeo.cloud"


@pytest.mark.parametrize(
    ("urn", "group", "role"),
    [
        (f"{BASE}#aai.egi.eu", None, ""),
        (f"{BASE}:role=early_adopter#aai.egi.eu", None, "earlyadopter"),
        (f"{BASE}:role=Early-Adopter#aai.egi.eu", None, "earlyadopter"),
        (f"{BASE}:role=EarlyAdopter#aai.egi.eu", None, "earlyadopter"),
        (f"{BASE}:role=30day-trial#aai.egi.eu", None, "30daytrial"),
        (f"{BASE}:role=Platform-developer#aai.egi.eu", None, "platformdeveloper"),
        (f"{BASE}:vo.openeo-sub.cloud:role=early_adopter#aai.egi.eu", "vo.openeo-sub.cloud", "earlyadopter"),
        (f"{BASE}:a:b:role=Basic_User#aai.egi.eu", "a:b", "basicuser"),
        (f"{BASE}:Land%20use:role=Basic%20User#aai.egi.eu", "Land use", "basicuser"),
        ("URN:MACE:EGI.EU:GROUP:VO.OPENEO.CLOUD:ROLE=Basic_User#AAI.EGI.EU", None, "basicuser"),
    ],
)
def test_a_group_entitlement_is_read(urn: str, group: str | None, role: str) -> None:
    entitlement = egi.parse(urn)

    assert (entitlement.vo, entitlement.group, entitlement.role_key) == ("vo.openeo.cloud", group, role)
    assert entitlement.trusted
    assert egi.read([urn]) == (entitlement,)


@pytest.mark.parametrize(
    "urn",
    [
        f"{BASE}:role=early_adopter#ooi.egi.eu",
        "urn:mace:uho.ai:group:vo.openeo.cloud:role=early_adopter#aai.egi.eu",
        "urn:mace:egi.eu.evil.example:group:vo.openeo.cloud:role=early_adopter#aai.egi.eu",
    ],
)
def test_a_foreign_authority_or_namespace_gives_nothing(urn: str) -> None:
    assert not egi.parse(urn).trusted
    assert egi.read([urn]) == ()


@pytest.mark.parametrize(
    "urn",
    [
        "urn:mace:egi.eu:aai.egi.eu:member@fedcloud.egi.eu",
        "urn:mace:egi.eu:res:gocdb#aai.egi.eu",
        "urn:mace:egi.eu:goc.egi.eu:100453G0:GRIDOPS-CheckIn:Site+Administrator@egi.eu",
        f"{BASE}:role=early_adopter",
        f"{BASE}:role=#aai.egi.eu",
        f"{BASE}:role=a:role=b#aai.egi.eu",
        f"{BASE}:role=early_adopter#aai.egi.eu\n",
        f" {BASE}:role=early_adopter#aai.egi.eu",
        f"{BASE}:role=e\u0430rly#aai.egi.eu",
        "urn:mace:egi.eu:group:#aai.egi.eu",
        f"{BASE}:{'x' * 2000}#aai.egi.eu",
        "",
    ],
)
def test_anything_else_is_refused_strictly_and_passed_over_leniently(urn: str) -> None:
    with pytest.raises(egi.EntitlementError):
        egi.parse(urn)
    assert egi.read([urn]) == ()


def test_a_role_in_another_organisation_is_not_a_role_here() -> None:
    held = egi.read(["urn:mace:egi.eu:group:vo.example.org:role=early_adopter#aai.egi.eu"])

    assert len(held) == 1
    assert not egi.holds(held, "early_adopter")
    assert not egi.holds(held, "")
    assert egi.holds(held, "urn:mace:egi.eu:group:vo.example.org:role=Early-Adopter#aai.egi.eu")


def test_a_whole_urn_asks_for_its_group_too() -> None:
    held = egi.read([f"{BASE}:staff:role=operator#aai.egi.eu"])

    assert egi.holds(held, f"{BASE}:staff:role=Operator#aai.egi.eu")
    assert not egi.holds(held, f"{BASE}:role=operator#aai.egi.eu")
    with pytest.raises(egi.EntitlementError):
        egi.holds(held, "urn:broken")


def test_a_long_hostile_text_is_answered_at_once() -> None:
    with pytest.raises(egi.EntitlementError):
        egi.parse("urn:" + "a:" * 500 + "group:" + "b:" * 5)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, ()),
        ({"eduperson_entitlement": "urn:a"}, ("urn:a",)),
        (
            {"eduperson_entitlement": ["urn:a", "urn:b"], "entitlements": ["urn:b", "urn:c"]},
            ("urn:a", "urn:b", "urn:c"),
        ),
        ({"entitlements": "urn:c"}, ("urn:c",)),
        ({"entitlements": None, "eduperson_entitlement": {"urn:a": 1}}, ()),
        ({"entitlements": [1, None, ["urn:a"], "", "urn:ok", "x" * 1025, "a\u0000", "a\n"]}, ("urn:ok",)),
    ],
)
def test_the_claims_are_collected_whatever_their_shape(claims: dict[str, object], expected: tuple[str, ...]) -> None:
    assert egi.urns(claims) == expected


def test_the_plan_follows_the_order_of_the_configuration() -> None:
    held = egi.read(
        [f"{BASE}:role=basic-user#aai.egi.eu", f"{BASE}:role=early_adopter#aai.egi.eu", f"{BASE}#aai.egi.eu"]
    )

    assert egi.choose_plan(held, {"Early_Adopter": "early-adopter", "Basic_User": "basic"}) == "early-adopter"
    assert egi.choose_plan(held, {"Basic_User": "basic", "Early_Adopter": "early-adopter"}) == "basic"
    assert egi.choose_plan(held, {"": "member"}) == "member"
    assert egi.choose_plan(held, {"Professional_User": "professional"}) is None
    assert egi.choose_plan((), {"": "member"}) is None
