"""Who is answered what at each address. An address that is missing here fails the matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from portal import exports
from portal.api import script_tokens
from portal.models import User
from tests.portal.scene import ALICE, CDSE, TERRASCOPE, Scene

ANONYMOUS, MEMBER, STRANGER, OPERATOR, BACKEND, PERSON = (
    *("anonymous", "member", "stranger", "operator"),
    *("back end client", "stranger's token"),
)
"""`member` belongs to the organisation whose objects are asked for, `stranger` owns another one, `operator` is staff
and belongs to none; the last two carry a token instead of a session."""
WITHOUT_SESSION = (ANONYMOUS, BACKEND, PERSON)
ACTORS = (ANONYMOUS, MEMBER, STRANGER, OPERATOR, BACKEND, PERSON)

Paths = Callable[["World"], tuple[str, ...]]


@dataclass(frozen=True)
class World:
    """The scene and the addresses of objects in it that the stranger must not reach."""

    scene: Scene
    hold: str
    notice: int
    objects: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """The status for each actor, of every one of the paths, by that method. None of an actor: nobody may be asked."""

    paths: Paths
    status: Mapping[str, int]
    method: str = "GET"
    form: Callable[[World], Mapping[str, object]] = lambda world: {}


def each(status: int, **others: int) -> dict[str, int]:
    """The same for all but `others`."""
    return dict.fromkeys(ACTORS, status) | {name.replace("_", " "): one for name, one in others.items()}


#: Everybody sees the same.
OPEN = each(200)
#: About whoever asks: strangers to the site sign in, tokens are not for pages.
OWN = each(302, member=200, stranger=200, operator=200)
#: An object of the member's organisation: for everybody else who signed in it does not exist.
LABS = each(302, member=200, stranger=404, operator=404)
#: As LABS, and the request changes something.
LABS_CHANGE = each(302, member=302, stranger=404, operator=404)
#: A form of whoever asks, sent empty.
OWN_FORM = each(302, member=422, stranger=422, operator=422)
#: There are only changes here.
NOT_READ = each(405)


def at(*paths: str) -> Paths:
    return lambda world: paths


def lab_job(prefix: str, query: str = "") -> Paths:
    return lambda world: tuple(
        f"/{prefix}/{TERRASCOPE}/{job}{query}" for job in (world.scene.golden, "j-26-held-and-done")
    )


def api(anonymous: int = 401, person: int = 200, backend: int = 200) -> dict[str, int]:
    """Sessions mean nothing to the APIs: without a token everybody is anonymous."""
    return each(anonymous) | {PERSON: person, BACKEND: backend}


FOR_PEOPLE = api(backend=403)
FOR_BACKENDS = api(person=403)
NOBODYS = "00000000-0000-0000-0000-000000000000"


def lab_hold(suffix: str = "") -> Paths:
    return lambda world: (f"/api/v1/holds/{world.hold}{suffix}",)


def members_token(world: World) -> tuple[str, ...]:
    """A script token of the member's, who has signed in."""
    token, _ = script_tokens.create(User.objects.get(sub=ALICE), "nightly", ["jobs:read"], 30)
    return (f"/profile/tokens/{token.pk}/revoke/",)


def members_export(world: World) -> tuple[str, ...]:
    """A copy of the member's data, ready to be fetched."""
    found = exports.request(User.objects.get(sub=ALICE))
    exports.make_waiting()
    return (f"/profile/data/export/{found.pk}/",)


def lab_view(suffix: str = "") -> Paths:
    """A view that Alice saved and shares."""
    return lambda world: (f"/usage/views/{world.objects['view']}/{suffix}",)


def _etl(name: str, status: Mapping[str, int], method: str = "GET") -> dict[str, tuple[Rule, ...]]:
    """An address of the existing wire, also with repeated slashes in front."""
    return {
        name: (Rule(at(f"/{name}"), status, method),),
        f"^/+{name}$": (Rule(at(f"//{name}"), status, method),),
    }


#: Of a demonstration only.
MAILS = ("mail/", "mail/<int:mail>/", "mail/<int:mail>/html/")


def of_lab(world: World) -> Mapping[str, object]:
    """What every form of an organisation's pages says: whose it is."""
    return {"organisation": world.scene.lab}


def team(path: str, member: int) -> tuple[Rule, ...]:
    """A change of the lab. The member is a manager of it; whoever is none never learns whether it exists."""

    def paths(world: World) -> tuple[str, ...]:
        return (path.format(**world.objects),)

    return (
        Rule(paths, NOT_READ),
        Rule(paths, each(302, member=member, stranger=404, operator=404), "POST", of_lab),
        Rule(paths, each(302, member=404, stranger=404, operator=404), "POST"),
    )


def project(path: str) -> Paths:
    return at(f"/organisation/project/dunes/{path}")


TEAM_PAGES = ("", "members/", "projects/", "limits/", "transfers/", "audit/", "audit.csv")
TEAM_CHANGES = {
    "rename/": 422,
    "hand-over/": 403,
    "leave/": 302,
    "close/": 403,
    "members/invite/": 422,
    "projects/new/": 422,
    "limits/set/": 422,
    "transfers/move/": 422,
}
"""What the manager of the lab is answered to an empty form; what only owners may do is refused first."""
PROJECT_CHANGES = {"rename/": 422, "archive/": 302, "restore/": 302, "budget/": 422}

RULES: dict[str, tuple[Rule, ...]] = {
    # Probes, documents and what everybody may know
    "health": (Rule(at("/health"), OPEN),),
    "health/ready": (Rule(at("/health/ready"), each(503)),),
    r"^/+health$": (Rule(at("//health"), OPEN),),
    r"^/+health/ready$": (Rule(at("//health/ready"), each(503)),),
    "docs/": (Rule(at("/docs/"), OPEN),),
    "docs/openapi.json": (Rule(at("/docs/openapi.json"), OPEN),),
    "api/v1/docs/": (Rule(at("/api/v1/docs/"), OPEN),),
    "api/v1/openapi.json": (Rule(at("/api/v1/openapi.json"), OPEN),),
    "problems/": (Rule(at("/problems/"), OPEN),),
    "problems/<slug:code>": (Rule(at("/problems/not_found"), OPEN), Rule(at("/problems/nonsense"), each(404))),
    "favicon.ico": (Rule(at("/favicon.ico"), each(302)),),
    **{name: (Rule(at(f"/{name}"), each(301)),) for name in ("docs", "api/v1/docs")},
    **{name: (Rule(at(f"/{name}"), each(301)),) for name in ("dashboard", "jobs", "profile", "terms", "usage")},
    **{name: (Rule(at(f"/{name}"), each(301)),) for name in ("help", "search")},
    # Back ends, by the existing wire
    **_etl("user", FOR_PEOPLE),
    **_etl("user/permissions", api()),
    **_etl("validate/auth", FOR_BACKENDS),
    **_etl("resources", api(backend=400, person=403), "POST"),
    **_etl("addedvalue", api(backend=400, person=403), "POST"),
    # Our own API
    "api/v1/usage-reports": (Rule(at("/api/v1/usage-reports"), api(backend=400, person=403), "POST"),),
    "api/v1/usage-reports/batch": (Rule(at("/api/v1/usage-reports/batch"), api(backend=400, person=403), "POST"),),
    "api/v1/precheck": (Rule(at("/api/v1/precheck"), api(backend=400, person=403), "POST"),),
    "api/v1/quotes": (Rule(at("/api/v1/quotes"), api(backend=400, person=400), "POST"),),
    "api/v1/holds": (
        Rule(at("/api/v1/holds"), api()),
        Rule(at("/api/v1/holds"), api(backend=400, person=403), "POST"),
    ),
    "api/v1/holds/<str:hold>": (
        Rule(lab_hold(), api(person=404)),
        Rule(at(f"/api/v1/holds/{NOBODYS}"), api(person=404, backend=404)),
    ),
    "api/v1/holds/<str:hold>/receipt": (Rule(lab_hold("/receipt"), api(person=404)),),
    **{
        f"api/v1/holds/<str:hold>/{verb}": (Rule(lab_hold(f"/{verb}"), api(backend=status, person=403), "POST"),)
        for verb, status in (("heartbeat", 200), ("capture", 400), ("extend", 400), ("release", 200))
    },
    "api/v1/balance": (
        Rule(at("/api/v1/balance"), FOR_PEOPLE),
        Rule(lambda world: (f"/api/v1/balance?organisation={world.scene.lab}",), api(person=404, backend=403)),
    ),
    "api/v1/entries": (
        Rule(at("/api/v1/entries"), FOR_PEOPLE),
        Rule(lambda world: (f"/api/v1/entries?organisation={world.scene.lab}",), api(person=404, backend=403)),
    ),
    "api/v1/jobs": (
        Rule(at("/api/v1/jobs"), api()),
        Rule(lambda world: (f"/api/v1/jobs?organisation={world.scene.lab}",), api(person=404)),
    ),
    "api/v1/jobs/<path:source>/<str:job_id>": (
        Rule(lambda world: (f"/api/v1/jobs/{TERRASCOPE}/{world.scene.golden}",), api(person=404)),
        Rule(at(f"/api/v1/jobs/{CDSE}/j-2611201b77aa90"), api(person=404, backend=404)),
    ),
    "api/v1/callbacks": (Rule(at("/api/v1/callbacks"), api(backend=404, person=403)),),
    "api/v1/callbacks/deliveries": (Rule(at("/api/v1/callbacks/deliveries"), FOR_BACKENDS),),
    "api/v1/tariffs": (Rule(at("/api/v1/tariffs"), OPEN), Rule(at("/api/v1/tariffs?x=1"), each(400))),
    "api/v1/tariffs/<str:tariff>": (Rule(at("/api/v1/tariffs/999999999"), each(404)),),
    "api/v1/openeo/billing": (Rule(at("/api/v1/openeo/billing"), OPEN),),
    "api/v1/openeo/me": (Rule(at("/api/v1/openeo/me"), FOR_PEOPLE),),
    "api/v1/openeo/estimate": (Rule(at("/api/v1/openeo/estimate"), api(backend=400, person=400), "POST"),),
    "api/v1/estimates": (Rule(at("/api/v1/estimates"), api(backend=400, person=400), "POST"),),
    "api/v1/estimates/comparison": (Rule(at("/api/v1/estimates/comparison"), api(backend=400, person=400)),),
    "api/v1/estimates/calibration": (Rule(at("/api/v1/estimates/calibration"), api()),),
    # Pages
    "": (Rule(at("/"), each(302) | dict.fromkeys(WITHOUT_SESSION, 200)),),
    "oidc/authenticate/": (Rule(at("/oidc/authenticate/"), each(302)),),
    "oidc/callback/": (Rule(at("/oidc/callback/"), each(400)),),
    "sign-out/": (Rule(at("/sign-out/"), NOT_READ),),
    "signed-out/": (Rule(at("/signed-out/"), each(302) | dict.fromkeys(WITHOUT_SESSION, 200)),),
    "session-over/": (Rule(at("/session-over/"), each(302) | dict.fromkeys(WITHOUT_SESSION, 200)),),
    "search/": (Rule(at("/search/", "/search/?q=flanders", "/search/?q=ghent", "/search/?q=j-26"), OPEN),),
    "help/": (Rule(at("/help/"), OPEN),),
    "help/<slug:slug>/": (Rule(at("/help/researcher/"), OPEN), Rule(at("/help/nobody/"), each(404))),
    "brand/<slug:version>/<str:name>": (Rule(at("/brand/0123456789ab/logo"), each(404)),),
    "styleguide/": (Rule(at("/styleguide/"), OPEN),),
    "theme/": (Rule(at("/theme/"), NOT_READ), Rule(at("/theme/"), each(400), "POST")),
    "language/": (Rule(at("/language/"), NOT_READ), Rule(at("/language/"), each(400), "POST")),
    "organisation/switch/": (
        Rule(at("/organisation/switch/"), NOT_READ),
        Rule(at("/organisation/switch/?organisation=1"), each(302, member=400, stranger=400, operator=400), "POST"),
    ),
    **{f"organisation/{name}": (Rule(at(f"/organisation/{name}"), OWN),) for name in TEAM_PAGES},
    "organisation/project/<slug:slug>/": (Rule(project(""), each(302, member=200, stranger=404, operator=404)),),
    "organisation/new/": (Rule(at("/organisation/new/"), OWN),),
    **{f"organisation/{name}": team(f"/organisation/{name}", status) for name, status in TEAM_CHANGES.items()},
    **{
        f"organisation/project/<slug:slug>/{name}": team(f"/organisation/project/dunes/{name}", status)
        for name, status in PROJECT_CHANGES.items()
    },
    "organisation/project/<slug:slug>/budget/<str:period>/remove/": team(
        "/organisation/project/dunes/budget/month/remove/", 302
    ),
    "organisation/members/<int:person>/role/": team("/organisation/members/{person}/role/", 302),
    "organisation/members/<int:person>/remove/": team("/organisation/members/{person}/remove/", 403),
    "organisation/invitations/<int:invitation>/resend/": team("/organisation/invitations/{invitation}/resend/", 200),
    "organisation/invitations/<int:invitation>/revoke/": team("/organisation/invitations/{invitation}/revoke/", 302),
    "organisation/limits/<int:limit>/remove/": team("/organisation/limits/{limit}/remove/", 302),
    "invitations/<str:token>/": (Rule(at("/invitations/made-up/"), each(404)),),
    "notices/seen/": (Rule(at("/notices/seen/"), NOT_READ),),
    "notifications/": (Rule(at("/notifications/"), OWN),),
    "notifications/mark/": (
        Rule(at("/notifications/mark/"), NOT_READ),
        Rule(at("/notifications/mark/"), each(302, member=400, stranger=400, operator=400), "POST"),
    ),
    "notifications/<int:notice>/": (
        Rule(lambda world: (f"/notifications/{world.notice}/",), each(302, stranger=404, operator=404)),
    ),
    "notifications/stop/<str:token>/": (Rule(at("/notifications/stop/made-up/"), each(404)),),
    "profile/notifications/": (Rule(at("/profile/notifications/"), OWN),),
    "profile/notifications/balance/": (Rule(at("/profile/notifications/balance/"), NOT_READ),),
    **{name: (Rule(at(f"/{name.replace('<int:mail>', '1')}"), each(404)),) for name in MAILS},
    "dashboard/": (Rule(at("/dashboard/"), OWN),),
    "usage/": (Rule(at("/usage/", "/usage/?period=all&by=member&split=grant"), OWN),),
    "usage/values/<slug:dimension>/": (
        Rule(at("/usage/values/grant/?period=all"), OWN),
        Rule(at("/usage/values/nonsense/"), each(302, member=404, stranger=404, operator=404)),
    ),
    "usage/export.<slug:form>": (Rule(at("/usage/export.csv?by=member", "/usage/export.json?by=project"), OWN),),
    "usage/entries/": (Rule(at("/usage/entries/?period=all"), OWN),),
    "usage/entries/export.<slug:form>": (
        Rule(at("/usage/entries/export.csv?period=all", "/usage/entries/export.json?period=all"), OWN),
    ),
    "usage/views/": (
        Rule(at("/usage/views/"), OWN),
        Rule(at("/usage/views/"), each(302, member=422, stranger=422, operator=422), "POST"),
    ),
    "usage/views/default/": (
        Rule(at("/usage/views/default/"), NOT_READ),
        Rule(at("/usage/views/default/"), each(302), "POST"),
    ),
    "usage/views/<uuid:view>/": (Rule(lab_view(), LABS_CHANGE),),
    "usage/views/<uuid:view>/change/": (
        Rule(lab_view("change/"), NOT_READ),
        Rule(lab_view("change/"), each(302, member=422, stranger=404, operator=404), "POST"),
    ),
    "usage/views/<uuid:view>/delete/": (
        Rule(lab_view("delete/"), NOT_READ),
        Rule(lab_view("delete/"), LABS_CHANGE, "POST"),
    ),
    "jobs/": (Rule(at("/jobs/"), OWN),),
    **{f"jobs/export.{form}": (Rule(at(f"/jobs/export.{form}"), OWN),) for form in ("csv", "json")},
    "jobs/<path:source>/<str:job_id>": (Rule(lab_job("jobs"), LABS),),
    "receipts/<path:source>/<str:job_id>": tuple(
        Rule(lab_job("receipts", f"?format={form}"), LABS) for form in ("html", "json", "pdf")
    ),
    "raw-reports/<path:source>/<str:job_id>": (Rule(lab_job("raw-reports"), LABS),),
    "compare/": (
        Rule(at("/compare/"), OWN),
        Rule(
            lambda world: (f"/compare/?job={TERRASCOPE}/{world.scene.golden}&job={TERRASCOPE}/j-26-held-and-done",),
            LABS,
        ),
    ),
    "holds/": (Rule(at("/holds/"), OWN),),
    "holds/<uuid:hold>/": (Rule(lambda world: (f"/holds/{world.hold}/",), LABS),),
    # What anybody may read
    "rates/": (Rule(at("/rates/", "/rates/?cpu=3&area=2"), OPEN), Rule(at("/rates/?cpu=x"), each(422))),
    "rates/<slug:slug>/": (Rule(at("/rates/cdse/"), OPEN), Rule(at("/rates/nowhere/"), each(404))),
    "rates/<slug:slug>/<int:version>/": (Rule(at("/rates/cdse/1/"), OPEN), Rule(at("/rates/cdse/9/"), each(404))),
    "backends/": (Rule(at("/backends/"), OPEN),),
    "backends/<slug:slug>/": (Rule(at("/backends/cdse/"), OPEN), Rule(at("/backends/nowhere/"), each(404))),
    "estimate/": (Rule(at("/estimate/", "/estimate/?what=x"), OPEN), Rule(at("/estimate/?what="), each(422))),
    "estimates/": (Rule(at("/estimates/"), OWN),),
    "profile/": (Rule(at("/profile/"), OWN), Rule(at("/profile/"), OWN_FORM, "POST")),
    "profile/tokens/": (Rule(at("/profile/tokens/"), OWN),),
    "profile/tokens/new/": (
        Rule(at("/profile/tokens/new/"), OWN),
        Rule(at("/profile/tokens/new/"), OWN_FORM, "POST"),
    ),
    "profile/tokens/<int:token>/revoke/": (
        Rule(at("/profile/tokens/1/revoke/"), NOT_READ),
        Rule(members_token, LABS_CHANGE, "POST"),
    ),
    "profile/data/": (Rule(at("/profile/data/"), OWN),),
    "profile/data/export/": (
        Rule(at("/profile/data/export/"), NOT_READ),
        Rule(at("/profile/data/export/"), each(302), "POST"),
    ),
    "profile/data/export/<uuid:export>/": (Rule(members_export, LABS),),
    "profile/data/erase/": (
        Rule(at("/profile/data/erase/"), OWN),
        # The member's jobs still hold credits.
        Rule(at("/profile/data/erase/"), OWN_FORM | {MEMBER: 409}, "POST"),
    ),
    "profile/erased/": (Rule(at("/profile/erased/"), OPEN),),
    "terms/": (Rule(at("/terms/"), each(302, member=404, stranger=404, operator=404)),),
    # The records, for staff
    "operate/records/": (Rule(at("/operate/records/"), each(302, operator=200)),),
}
