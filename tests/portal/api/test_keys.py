"""A.9 and N.6: the keys of an issuer over rotations, outages and floods."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import Client

from portal.api import fetching, issuers, keys, tokens
from portal.api.keys import KeyStore, KeyUnknown, ProviderUnavailable
from tests.portal.api.issuing import Issuer, Key, new_key, published, sign

HOUR = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(issuer: Issuer, clock: Clock) -> Iterator[KeyStore]:
    store = KeyStore(issuers.configured()[0], clock=clock)
    yield store
    wait_for_renewal(store)


def wait_for_renewal(store: KeyStore) -> None:
    for thread in threading.enumerate():
        if thread.name == f"keys of {store.issuer.id}":
            thread.join(10)


def fetches(issuer: Issuer) -> int:
    return issuer.asked["/realm/certs"]


def test_fetched_once_by_discovery(store: KeyStore, issuer: Issuer) -> None:
    for _ in range(5):
        assert store.key("one").key_id == "one"
    assert fetches(issuer) == 1
    assert issuer.asked["/realm/.well-known/openid-configuration"] == 1


def test_no_discovery_when_the_address_is_configured(issuer: Issuer, settings: Any) -> None:
    address = f"{issuer.root}/realm/certs"
    settings.TOKEN_ISSUERS = [{"id": "fake", "issuer": issuer.issuer, "jwks_uri": address}]
    KeyStore(issuers.configured()[0]).key("one")
    assert list(issuer.asked) == ["/realm/certs"]


def test_rotation_with_the_old_key_kept(store: KeyStore, issuer: Issuer) -> None:
    store.key("one")
    issuer.keys["two"] = new_key()
    assert store.key("two").key_id == "two"
    assert store.key("one").key_id == "one"
    assert fetches(issuer) == 2


def test_rotation_with_the_old_key_removed(store: KeyStore, issuer: Issuer) -> None:
    store.key("one")
    generation = store.generation
    issuer.keys = {"two": new_key()}
    store.key("two")
    assert store.generation == generation + 1
    with pytest.raises(KeyUnknown):
        store.key("one")


def test_same_key_id_with_another_key_is_noticed(store: KeyStore, issuer: Issuer, clock: Clock) -> None:
    before = store.key("one").key.public_numbers()
    issuer.keys = {"one": new_key()}
    clock.now += keys.FRESH_SECONDS
    store.key("one")
    wait_for_renewal(store)
    assert store.key("one").key.public_numbers() != before


def test_of_two_keys_with_one_id_the_first_counts(store: KeyStore, issuer: Issuer, spare_keys: dict[str, Key]) -> None:
    issuer.extra_keys = [published("one", spare_keys["two"])]
    assert store.key("one").key.public_numbers() == issuer.keys["one"].public_key().public_numbers()


def test_old_keys_answer_at_once_while_one_thread_renews_them(store: KeyStore, issuer: Issuer, clock: Clock) -> None:
    store.key("one")
    clock.now += keys.FRESH_SECONDS
    issuer.broken["/realm/certs"] = 1.0
    for _ in range(20):
        assert store.key("one").key_id == "one"
    wait_for_renewal(store)
    assert fetches(issuer) == 2


def test_a_thousand_unknown_keys_ask_once_a_minute(store: KeyStore, issuer: Issuer, clock: Clock) -> None:
    store.key("one")
    for number in range(1000):
        with pytest.raises(KeyUnknown):
            store.key(f"invented-{number}")
    assert fetches(issuer) == 2
    clock.now += keys.UNKNOWN_KEY_SECONDS
    with pytest.raises(KeyUnknown):
        store.key("invented-again")
    assert fetches(issuer) == 3


def test_threads_with_a_new_key_wait_for_one_fetch(store: KeyStore, issuer: Issuer) -> None:
    store.key("one")
    issuer.keys["two"] = new_key()
    issuer.broken["/realm/certs"] = 0.3
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: store.key("two").key_id, range(16)))
    assert found == ["two"] * 16
    assert fetches(issuer) == 2


def test_known_keys_do_not_wait_for_a_fetch_that_hangs(store: KeyStore, issuer: Issuer) -> None:
    store.key("one")
    issuer.broken["/realm/certs"] = 2.0

    def ask() -> None:
        with pytest.raises(KeyUnknown):
            store.key("invented")

    asking = threading.Thread(target=ask)
    asking.start()
    while fetches(issuer) < 2:
        pass
    assert store._fetching.locked()
    assert store.key("one").key_id == "one"
    assert store._fetching.locked()
    asking.join()


@pytest.mark.parametrize(("hours", "serves"), [(23, True), (25, False)])
def test_provider_down_for(store: KeyStore, issuer: Issuer, clock: Clock, hours: int, serves: bool) -> None:
    store.key("one")
    issuer.stop()
    clock.now += hours * HOUR
    if serves:
        assert store.key("one").key_id == "one"
    else:
        with pytest.raises(ProviderUnavailable):
            store.key("one")


def test_provider_down_and_the_key_not_known(store: KeyStore, issuer: Issuer, clock: Clock) -> None:
    """The key may be a new one: that cannot be told, so the answer is not that the token is wrong."""
    store.key("one")
    issuer.stop()
    with pytest.raises(ProviderUnavailable):
        store.key("two")
    issuer.start()
    clock.now += keys.FAILURE_SECONDS
    with pytest.raises(KeyUnknown):
        store.key("two")


def test_a_provider_that_is_down_is_asked_every_ten_seconds_at_most(
    store: KeyStore, issuer: Issuer, clock: Clock
) -> None:
    issuer.broken["/realm/certs"] = (500, b"{}", {})
    for _ in range(50):
        with pytest.raises(ProviderUnavailable):
            store.key("one")
    assert fetches(issuer) == 1
    clock.now += keys.FAILURE_SECONDS
    issuer.broken.clear()
    assert store.key("one").key_id == "one"


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}", {}),
        (302, b"", {"Location": "/realm/elsewhere"}),
        (200, b"<html>", {}),
        (200, b"[]", {}),
        (200, b"{}", {}),
        (200, b'{"keys": []}', {}),
        (200, b'{"keys": "none"}', {}),
        (200, b'{"keys": [1, {"kty": "RSA"}]}', {}),
        (200, b"[" * 100_000, {}),
        (200, b" " * 5_000_000, {}),
    ],
    ids=["500", "redirect", "html", "list", "empty", "no keys", "text", "not keys", "deep", "5 MB"],
)
def test_a_wrong_answer_leaves_the_old_keys(
    store: KeyStore, issuer: Issuer, clock: Clock, answer: tuple[int, bytes, dict[str, str]]
) -> None:
    store.key("one")
    issuer.broken["/realm/certs"] = answer
    clock.now += HOUR
    assert store.key("one").key_id == "one"
    wait_for_renewal(store)
    assert fetches(issuer) == 2
    assert store.key("one").key_id == "one"
    assert issuer.asked["/realm/elsewhere"] == 0


@pytest.mark.parametrize("name", ["issuer", "jwks_uri"])
def test_discovery_that_speaks_for_somebody_else(store: KeyStore, issuer: Issuer, name: str) -> None:
    def answer(url: str) -> dict[str, Any]:
        return {
            **(issuer.document("/realm/.well-known/openid-configuration") or {}),
            name: "ftp://elsewhere.example.org",
        }

    store.fetch = answer
    with pytest.raises(ProviderUnavailable):
        store.key("one")


def test_a_hanging_provider_is_given_up(issuer: Issuer, settings: Any) -> None:
    settings.OIDC_TIMEOUT = 0.4
    issuer.broken["/realm/certs"] = 3.0
    with pytest.raises(fetching.FetchFailed, match="did not answer"):
        fetching.get_json(f"{issuer.root}/realm/certs")


def test_a_new_process_starts_with_what_the_last_one_was_told(issuer: Issuer, clock: Clock) -> None:
    KeyStore(issuers.configured()[0], clock=clock).key("one")
    issuer.stop()
    clock.now += 23 * HOUR
    assert KeyStore(issuers.configured()[0], clock=clock).key("one").key_id == "one"


def test_what_is_kept_in_the_cache_is_signed(issuer: Issuer, clock: Clock, spare_keys: dict[str, Key]) -> None:
    from django.core.cache import cache

    first = KeyStore(issuers.configured()[0], clock=clock)
    first.key("one")
    cache.set(first._cache_name, '{"at": 1, "document": {"keys": []}}')
    issuer.stop()
    with pytest.raises(ProviderUnavailable):
        KeyStore(issuers.configured()[0], clock=clock).key("one")


@pytest.mark.django_db
@pytest.mark.urls("tests.portal.api.probe")
def test_over_http_an_outage_is_503_and_a_flood_is_one_question(
    client: Client, issuer: Issuer, spare_keys: dict[str, Key]
) -> None:
    good = {"authorization": f"Bearer {issuer.token()}"}
    assert client.get("/probe/who", headers=good).status_code == 200
    for number in range(200):
        bad = sign(issuer.claims(), spare_keys["stranger"], "RS256", {"kid": f"flood-{number}"})
        assert client.get("/probe/who", headers={"authorization": f"Bearer {bad}"}).status_code == 401
    assert fetches(issuer) == 2
    issuer.stop()
    assert client.get("/probe/who", headers=good).status_code == 200
    tokens._stores["fake"]._asked_for_unknown_at = 0.0
    answer = client.get("/probe/who", headers={"authorization": f"Bearer {bad}"})
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer.json()["code"] == "provider_unavailable"
