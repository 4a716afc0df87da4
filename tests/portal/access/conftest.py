"""Everybody who may ask, each as themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounting import organisations
from accounting.models import Hold, Limit, Member, Notice, ServiceClient
from portal import claims, invitations, saved_views
from portal.api import auth, tokens
from portal.models import User
from tests.portal import reader, running
from tests.portal import scene as scenes
from tests.portal.access.expected import ANONYMOUS, BACKEND, MEMBER, OPERATOR, PERSON, STRANGER, World
from tests.portal.api.issuing import Issuer, new_key

CHARLIE = "3c0ffee0charlie@egi.eu"
OLGA = "4c0ffee0olga@egi.eu"


@pytest.fixture(scope="session")
def issuer_of_tokens() -> Iterator[Issuer]:
    issuer = Issuer({"one": new_key()})
    yield issuer
    issuer.stop()


@pytest.fixture
def world(scene: scenes.Scene) -> World:
    running.start(scene)
    charlie = organisations.ensure_person(reader.ISSUER, CHARLIE)
    organisations.switch_organisation(charlie.pk, organisations.create_organisation("Charlie's own team", charlie.pk))
    alice = claims.store(reader.ISSUER, scenes.ALICE, {"name": scenes.ALICE})
    view = saved_views.save(alice, scene.lab, "NDVI composite of Flanders by month", "period=30d", shared=True)
    hold = Hold.objects.get(job_id="j-26-near")
    notice = Notice.objects.filter(person=scene.alice).latest("pk")
    invited = invitations.invite(scene.lab, "maren@example.org", "developer", actor=scene.alice)
    objects = {
        "view": str(view.pk),
        "person": str(Member.objects.get(organisation=scene.lab, role="owner").person_id),
        "invitation": str(invited.invitation.pk),
        "limit": str(Limit.objects.filter(project__isnull=False).latest("pk").pk),
    }
    return World(scene, str(hold.uuid), notice.pk, objects)


@pytest.fixture
def askers(world: World, issuer_of_tokens: Issuer, settings: Any) -> dict[str, Client]:
    """A client for each actor."""
    settings.TOKEN_ISSUERS = [
        {"id": "egi", "issuer": reader.ISSUER, "jwks_uri": f"{issuer_of_tokens.root}/realm/certs"}
    ]
    auth._clients.clear()
    tokens._remembered.clear()
    tokens._stores.clear()
    cache.clear()
    operator = reader.sign_in(OLGA)
    User.objects.filter(sub=OLGA).update(is_staff=True)
    tracker = ServiceClient.objects.get(pk=world.scene.clients[scenes.TERRASCOPE].client).client_id
    people = {MEMBER: reader.sign_in(scenes.ALICE), STRANGER: reader.sign_in(CHARLIE), OPERATOR: operator}
    bearers = {
        BACKEND: issuer_of_tokens.token(iss=reader.ISSUER, sub=tracker, azp=tracker, client_id=tracker),
        PERSON: issuer_of_tokens.token(iss=reader.ISSUER, sub=CHARLIE),
    }
    with_token = {
        name: Client(headers={"host": "127.0.0.1", "authorization": f"Bearer {token}"})
        for name, token in bearers.items()
    }
    askers = {ANONYMOUS: Client(headers={"host": "127.0.0.1"})} | people | with_token
    for client in askers.values():
        client.raise_request_exception = False
    return askers
