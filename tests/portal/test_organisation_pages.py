"""Organisations in the portal: who sees and may change what, and what pages say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounting import limit_queries, limits, members, organisations, projects
from accounting.limits import Terms
from accounting.models import AuditEntry, Limit, Member
from accounting.roles import PERMISSIONS, ROLES, Action
from portal.models import Invitation
from tests.accounting.books import micros
from tests.portal import scene as scenes
from tests.portal.reader import sign_in, text_of

PAGES = (
    *("organisation", "organisation-members", "organisation-projects", "organisation-limits"),
    *("organisation-transfers", "organisation-audit", "organisation-audit-csv"),
)


@pytest.fixture
def lab(scene: scenes.Scene) -> int:
    """With budgets, limits and an invitation."""
    lab = scene.lab
    limits.set_limit(lab, micros(2000), period="month")
    for slug, amount in (("dunes", 900), ("alps", 500)):
        pk = projects.create(lab, slug, slug.capitalize())
        limits.change(lab, micros(amount), Terms("month", project=pk, fallback=slug == "alps"))
    limits.set_limit(lab, micros(300), period="month", person=scene.alice)
    limits.set_limit(lab, micros(50), period="job", action="notify")
    return lab


def person(sub: str) -> int:
    return organisations.ensure_person("https://aai.example.org/auth/realms/egi", sub).pk


def joined(lab: int, role: str) -> Client:
    """Somebody of that role who looks at the organisation."""
    client = sign_in(f"{role}-1")
    if members.role_of(lab, person(f"{role}-1")) is None:
        organisations.add_member(lab, person(f"{role}-1"), role)
    organisations.switch_organisation(person(f"{role}-1"), lab)
    return client


class TestWhoMayNot:
    @pytest.mark.parametrize("name", PAGES)
    def test_strangers_sign_in_first(self, db: None, name: str) -> None:
        answer = Client(headers={"host": "127.0.0.1"}).get(reverse(name))
        assert answer.status_code == 302
        assert answer["Location"].startswith("/oidc/authenticate/")

    def test_nobody_acts_on_an_organisation_of_others(self, lab: int) -> None:
        stranger = sign_in("stranger")
        for name, arguments, data, _ in DEEDS:
            address = reverse(name, args=[argument(lab, one) for one in arguments])
            assert stranger.post(address, {"organisation": lab} | data).status_code == 404, name
            assert stranger.post(address, data).status_code == 404, name
            assert stranger.post(address, {"organisation": "\x00"} | data).status_code == 404, name
        assert not AuditEntry.objects.filter(actor=person("stranger")).exists()

    def test_nobody_changes_an_organisation_that_is_not_in_view(self, lab: int) -> None:
        """It was chosen in another window meanwhile."""
        client = joined(lab, "owner")
        organisations.switch_organisation(
            person("owner-1"), organisations.memberships(person("owner-1"))[0].organisation
        )
        answer = client.post(reverse("organisation-rename"), {"organisation": lab, "rename-name": "Other"}, follow=True)
        assert "so nothing was changed" in text_of(answer)
        assert organisations.find_organisation(lab).name == "Geo Lab Ghent"

    @pytest.mark.parametrize("role", ROLES)
    def test_a_role_does_what_the_table_says_and_nothing_else(self, lab: int, role: str) -> None:
        for name, arguments, data, action in DEEDS:
            if action is None or action is Action.CLOSE:
                continue
            client = joined(lab, role)
            address = reverse(name, args=[argument(lab, one) for one in arguments])
            form = {"organisation": lab} | {field: argument(lab, value) for field, value in data.items()}
            before = AuditEntry.objects.count()  # what the arguments needed is done
            answer = client.post(address, form)
            changed = AuditEntry.objects.count() - before
            if role in PERMISSIONS[action]:
                assert answer.status_code in (200, 302), (name, text_of(answer))
                assert changed >= 1, name
                if action is Action.HAND_OVER:
                    organisations.add_member(lab, person("owner-1"), "owner")
            else:
                assert answer.status_code == 403, name
                text = text_of(answer)
                assert "Your role does not allow this" in text
                assert all(one.capitalize() in text.partition("Who can:")[2] for one in PERMISSIONS[action])
                assert changed == 0, name

    def test_nobody_gets_by_another_method(self, lab: int) -> None:
        client = joined(lab, "owner")
        for name, arguments, _, _ in DEEDS:
            assert client.get(reverse(name, args=[argument(lab, one) for one in arguments])).status_code == 405, name

    def test_a_manager_makes_no_owner(self, lab: int) -> None:
        client = joined(lab, "manager")
        answer = client.post(reverse("organisation-role", args=[bob(lab)]), {"organisation": lab, "role": "viewer"})
        assert answer.status_code == 403
        assert "Who can: Owner" in text_of(answer)
        answer = client.post(reverse("organisation-invite"), {"organisation": lab, "email": "a@b.org", "role": "owner"})
        assert answer.status_code == 422


def bob(lab: int) -> int:
    return next(one.person for one in members.of(lab) if one.role == "owner" and one.person != person("owner-1"))


def a_viewer(lab: int) -> int:
    pk = person("somebody")
    if members.role_of(lab, pk) is None:
        organisations.add_member(lab, pk, "viewer")
    members.change_role(lab, pk, "viewer")
    return pk


def an_invitation(lab: int) -> int:
    from portal import invitations

    found = Invitation.objects.filter(organisation=lab, revoked_at=None, email="x@example.org").first()
    return found.pk if found else invitations.invite(lab, "x@example.org", "viewer", actor=bob(lab)).invitation.pk


def a_limit(lab: int) -> int:
    return limits.set_limit(lab, micros(7), period="total", action="notify") or 0


def dunes(lab: int) -> str:
    pk = next(one.id for one in projects.of(lab) if one.slug == "dunes")
    projects.restore(lab, pk)
    limits.set_limit(lab, micros(900), period="month", project=pk)
    return "dunes"


def dunes_pk(lab: int) -> int:
    dunes(lab)
    return next(one.id for one in projects.of(lab) if one.slug == "dunes")


def archived(lab: int) -> str:
    projects.archive(lab, dunes_pk(lab))
    return "dunes"


def argument(lab: int, one: Any) -> Any:
    return one(lab) if callable(one) else one


Deed = tuple[str, tuple[Any, ...], dict[str, Any], Action | None]
DEEDS: tuple[Deed, ...] = (
    ("organisation-rename", (), {"rename-name": lambda lab: f"Lab {AuditEntry.objects.count()}"}, Action.RENAME),
    ("organisation-hand-over", (), {"heir-person": a_viewer}, Action.HAND_OVER),
    ("organisation-leave", (), {}, None),
    ("organisation-close", (), {}, Action.CLOSE),
    ("organisation-invite", (), {"email": "new@example.org", "role": "viewer"}, Action.MANAGE_MEMBERS),
    ("organisation-role", (a_viewer,), {"role": "developer"}, Action.MANAGE_MEMBERS),
    ("organisation-remove", (a_viewer,), {}, Action.MANAGE_MEMBERS),
    ("organisation-resend", (an_invitation,), {}, Action.MANAGE_MEMBERS),
    ("organisation-revoke", (an_invitation,), {}, Action.MANAGE_MEMBERS),
    ("organisation-project-new", (), {"name": "Rivers", "slug": "rivers"}, Action.MANAGE_PROJECTS),
    (
        "organisation-project-rename",
        (dunes,),
        {"rename-name": lambda lab: f"Dunes {AuditEntry.objects.count()}"},
        Action.MANAGE_PROJECTS,
    ),
    ("organisation-project-archive", (dunes,), {}, Action.MANAGE_PROJECTS),
    ("organisation-project-restore", (archived,), {}, Action.MANAGE_PROJECTS),
    ("organisation-budget", (dunes,), {"period": "month", "amount": "800,5"}, Action.MANAGE_PROJECTS),
    ("organisation-budget-remove", (dunes, "month"), {}, Action.MANAGE_PROJECTS),
    ("organisation-limit-set", (), {"period": "year", "amount": "9000", "action": "block"}, Action.MANAGE_LIMITS),
    ("organisation-limit-remove", (a_limit,), {}, Action.MANAGE_LIMITS),
    (
        "organisation-transfer",
        (),
        {"period": "month", "source": dunes_pk, "target": "none", "amount": "1", "reason": "less wind"},
        Action.TRANSFER,
    ),
)
"""Every address that changes something: its name, arguments, a form that is accepted, and what it needs."""


def test_every_address_that_changes_something_is_tried() -> None:
    from portal.views.urls import urlpatterns

    names = {str(one.name) for one in urlpatterns if str(one.name).startswith("organisation")}
    read = {*PAGES, "organisation-new", "organisation-project"}
    assert names - read == {name for name, *_ in DEEDS}


class TestPages:
    @pytest.mark.parametrize("role", ROLES)
    @pytest.mark.parametrize("name", [*PAGES, "organisation-new"])
    def test_every_role_reads_them(self, lab: int, role: str, name: str) -> None:
        assert joined(lab, role).get(reverse(name)).status_code == 200

    @pytest.mark.parametrize("name", [*PAGES, "organisation-new"])
    def test_those_of_a_personal_organisation(self, scene: scenes.Scene, name: str) -> None:
        client = sign_in("somebody-new")
        answer = client.get(reverse(name))
        assert answer.status_code == 200
        if name == "organisation":
            assert "nobody can join" in text_of(answer)

    def test_who_only_reads_sees_no_forms(self, lab: int) -> None:
        for name in PAGES[:-1]:
            page = joined(lab, "viewer").get(reverse(name)).content.decode()
            actions = set(re.findall(r'method="post"[^>]*action="(/organisation/[^"]*)"', page))
            assert actions <= {"/organisation/switch/", "/organisation/leave/"}, name

    def test_the_overview_tells_how_to_use_it(self, lab: int, alice: Client) -> None:
        text = text_of(alice.get("/organisation/"))
        assert f'"etl_organization_id": {lab}' in text.replace("&quot;", '"')
        assert "Dunes · A month" in text
        assert "Unassigned part · A month" in text

    @pytest.mark.parametrize(
        ("name", "most"),
        [
            ("organisation", 18),
            ("organisation-members", 14),
            ("organisation-limits", 14),
            ("organisation-projects", 12),
            ("organisation-transfers", 16),
            ("organisation-audit", 14),
        ],
    )
    def test_cost_the_same_however_much_there_is(
        self, lab: int, django_assert_max_num_queries: Any, name: str, most: int
    ) -> None:
        client = joined(lab, "manager")
        with django_assert_max_num_queries(most) as first:
            client.get(reverse(name))
        for number in range(4):
            pk = projects.create(lab, f"more-{number}", f"More {number}")
            limits.set_limit(lab, micros(1), period="month", project=pk)
            limits.set_limit(lab, micros(1), period="year", project=pk, action="notify")
            sign_in(f"more-{number}")
            organisations.add_member(lab, person(f"more-{number}"), "viewer")
        with django_assert_max_num_queries(most) as second:
            client.get(reverse(name))
        assert len(second) == len(first)

    def test_what_people_wrote_is_never_markup(self, lab: int, alice: Client) -> None:
        evil = '<script>alert("x")</script>'
        organisations.rename(lab, evil)
        projects.create(lab, "evil", evil)
        for name in PAGES[:-1]:
            assert evil not in alice.get(reverse(name)).content.decode()


class TestForms:
    @pytest.mark.parametrize("text", ["", "x" * 101, "a\x00b", "a\u202eb", " "])
    def test_a_name_that_cannot_be(self, lab: int, alice: Client, text: str) -> None:
        for name, field in (("organisation-new", "name"), ("organisation-rename", "rename-name")):
            answer = alice.post(reverse(name), {"organisation": lab, field: text})
            assert answer.status_code == 422
            assert "form-errors" in answer.content.decode()

    @pytest.mark.parametrize("text", ["", "x", "-1", "1e3", "9" * 30, "1.2345678", "\x00", "٣"])
    def test_an_amount_that_cannot_be(self, lab: int, alice: Client, text: str) -> None:
        forms: list[tuple[str, list[str], dict[str, str]]] = [
            ("organisation-budget", ["dunes"], {"period": "month"}),
            ("organisation-limit-set", [], {"period": "month", "action": "block"}),
            (
                "organisation-transfer",
                [],
                {"period": "month", "source": "none", "target": str(dunes_pk(lab)), "reason": "y"},
            ),
        ]
        for name, arguments, data in forms:
            answer = alice.post(reverse(name, args=arguments), {"organisation": lab, "amount": text} | data)
            assert answer.status_code == 422, name
            assert "form-errors" in answer.content.decode()

    def test_budgets_beyond_the_organisations_own(self, lab: int, alice: Client) -> None:
        answer = alice.post(
            "/organisation/project/dunes/budget/", {"organisation": lab, "period": "month", "amount": "1501"}
        )
        assert answer.status_code == 422
        assert "would be 2001 credits together, but the organisation may spend 2000" in text_of(answer)
        answer = alice.post(
            "/organisation/limits/set/", {"organisation": lab, "period": "month", "amount": "1", "action": "block"}
        )
        assert answer.status_code == 422

    def test_more_than_is_left_cannot_be_moved(self, lab: int, alice: Client) -> None:
        data = {"organisation": lab, "period": "month", "source": dunes_pk(lab), "target": "none", "reason": "y"}
        answer = alice.post("/organisation/transfers/move/", data | {"amount": "901"})
        assert answer.status_code == 422
        assert "Only 900 credits are neither spent nor held there" in text_of(answer)
        answer = alice.post("/organisation/transfers/move/", data | {"amount": "100"}, follow=True)
        assert "The budget was moved" in text_of(answer)
        assert "Reason: y" in text_of(answer)

    def test_a_limit_says_what_it_counts(self, lab: int, alice: Client, scene: scenes.Scene) -> None:
        data = {
            "organisation": lab,
            "person": scene.alice,
            "process": "ndvi",
            "period": "year",
            "amount": "12.5",
            "action": "notify",
        }
        answer = alice.post("/organisation/limits/set/", data, follow=True)
        assert "You · Process ndvi A year 12 .50" in text_of(answer).replace(
            ". 50", ".50"
        ) or "You · Process ndvi" in text_of(answer)
        made = Limit.objects.get(process="ndvi")
        page = alice.get(f"/organisation/limits/?limit={made.pk}").content.decode()
        assert 'value="12.5"' in page
        for name in ("process", "project"):
            wrong: dict[str, dict[str, Any]] = {
                "process": {"period": "job"},
                "project": {"process": "", "person": "", "project": dunes_pk(lab), "action": "block"},
            }
            assert alice.post("/organisation/limits/set/", data | wrong[name]).status_code == 422

    @pytest.mark.parametrize("limit", ["x", "-1", "9" * 30, "\x00"])
    def test_a_limit_that_cannot_be_named(self, lab: int, alice: Client, limit: str) -> None:
        assert alice.get("/organisation/limits/", {"limit": limit}).status_code == 400

    def test_numbers_of_nobody_are_not_found(self, lab: int, alice: Client) -> None:
        for address in (
            f"/organisation/members/{10**30}/role/",
            f"/organisation/members/{10**30}/remove/",
            f"/organisation/invitations/{10**30}/revoke/",
            "/organisation/project/nothing/archive/",
            "/organisation/project/dunes/budget/week/remove/",
        ):
            assert alice.post(address, {"organisation": lab, "role": "viewer"}).status_code == 404, address

    def test_the_last_owner_stays(self, lab: int) -> None:
        organisations.add_member(lab, person("other"), "manager")
        client = joined(lab, "owner")
        client.post(reverse("organisation-role", args=[bob(lab)]), {"organisation": lab, "role": "viewer"})
        me = person("owner-1")
        deeds: list[tuple[str, list[int], dict[str, Any]]] = [
            ("organisation-leave", [], {}),
            ("organisation-role", [me], {"role": "viewer"}),
            ("organisation-remove", [me], {}),
        ]
        for name, arguments, data in deeds:
            answer = client.post(reverse(name, args=arguments), {"organisation": lab} | data, follow=True)
            assert "last owner" in text_of(answer)
        assert Member.objects.get(organisation=lab, person=me).role == "owner"

    def test_closing_needs_an_empty_wallet(self, lab: int) -> None:
        client = joined(lab, "owner")
        answer = client.post("/organisation/close/", {"organisation": lab}, follow=True)
        assert "its credits are used up" in text_of(answer)

    def test_a_new_organisation_is_the_makers(self, lab: int, alice: Client, scene: scenes.Scene) -> None:
        answer = alice.post("/organisation/new/", {"name": "  Forest   Lab "}, follow=True)
        assert "Forest Lab was created" in text_of(answer)
        made = next(one for one in organisations.memberships(scene.alice) if one.name == "Forest Lab")
        assert (made.role, made.current) == ("owner", True)
        answer = alice.post("/organisation/close/", {"organisation": made.organisation}, follow=True)
        assert "Forest Lab was closed" in text_of(answer)

    def test_leaving_brings_one_home(self, lab: int, alice: Client, scene: scenes.Scene) -> None:
        answer = alice.post("/organisation/leave/", {"organisation": lab}, follow=True)
        assert "You left Geo Lab Ghent" in text_of(answer)
        assert members.role_of(lab, scene.alice) is None


class TestCanaries:
    def test_another_organisations_entries_are_not_there(self, lab: int, scene: scenes.Scene) -> None:
        organisations.rename(lab, "Canary Lab")
        for name in PAGES:
            answer = sign_in("somebody-new").get(reverse(name))
            content = b"".join(answer) if answer.streaming else answer.content
            assert b"Canary" not in content


def test_uses_are_counted_without_the_budget_that_falls_back(lab: int) -> None:
    uses = limit_queries.of_organisation(lab)
    assert limit_queries.unassigned(uses, "month") is not None
    assert limit_queries.unassigned(uses, "year") is None
