"""The operators' commands for callbacks, as docs/operations.md says them."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounting import callbacks
from accounting.callbacks import signature
from accounting.models import Callback, CallbackDelivery
from tests.accounting.callbacks.receiver import Receiver, Reply
from tests.accounting.test_operations import shown
from tests.conftest import ISSUER, Federation

WHO = ["--client", ISSUER, "job-tracker"]


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def secrets_in(text: str) -> list[str]:
    return re.findall(r"whsec_\S+", text)


def test_the_guide_shows_them_as_they_are(db: None) -> None:
    """The words are those of the guide; its address does not exist here, and that is said."""
    run(*shown("register_backend"))
    with pytest.raises(CommandError, match=r"^url: the host does not resolve$"):
        run(*shown("register_callback"))
    with pytest.raises(CommandError, match="no active callback"):
        run(*shown("send_test_callback"))


def test_the_secret_is_shown_once(federation: Federation, receiver: Receiver) -> None:
    client = federation.client.client
    assert secrets_in(run("register_callback", *WHO, "--url", receiver.url)) == [signature.secret_text(client, 1)]
    again = run("register_callback", *WHO, "--url", receiver.url, "--note", "ops")
    assert secrets_in(again) == []
    assert receiver.url in again
    assert secrets_in(run("register_callback", *WHO, "--rotate")) == [signature.secret_text(client, 2)]


def test_registering_and_rotating_at_once_shows_the_newest(federation: Federation, receiver: Receiver) -> None:
    said = run("register_callback", *WHO, "--url", receiver.url, "--rotate")
    assert secrets_in(said) == [signature.secret_text(federation.client.client, 2)]


def test_a_test_message_says_what_came_of_it(client: int, receiver: Receiver) -> None:
    assert re.fullmatch(r"[0-9a-f-]{36} was taken with status 204\n", run("send_test_callback", *WHO))
    receiver.replies.append(Reply(500))
    with pytest.raises(CommandError, match=r"was not taken \(it answered 500\), tried again from 2.*Z"):
        run("send_test_callback", *WHO)
    with pytest.raises(CommandError, match=r"was not taken \(not tried yet\), tried again from 2"):
        run("send_test_callback", *WHO)
    Callback.objects.update(next_at=Callback.objects.get().created_at)
    receiver.replies.append(Reply(410))
    with pytest.raises(CommandError, match="given up"):
        run("send_test_callback", *WHO)
    with pytest.raises(CommandError, match="no active callback"):
        run("send_test_callback", *WHO)
    assert {row.kind for row in CallbackDelivery.objects.all()} == {"callback.test"}


def test_a_test_message_sends_nothing_to_others(client: int, federation: Federation, receiver: Receiver) -> None:
    other = federation.other_client.client
    callbacks.register(other, receiver.url)
    callbacks.send(other, "job.stop", {}, "a")
    run("send_test_callback", *WHO)
    assert len(receiver.received) == 1
    assert callbacks.deliveries(other).get().attempts == 0


def test_off_and_on(client: int, receiver: Receiver) -> None:
    callbacks.send(client, "job.stop", {}, "a")
    assert "1 waiting messages are abandoned" in run("register_callback", *WHO, "--off")
    assert secrets_in(run("register_callback", *WHO, "--url", receiver.url)) == []
    found = callbacks.find(client)
    assert found is not None
    assert found.active


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "say what to do"),
        (["--off", "--rotate"], "--off goes alone"),
        (["--off"], "client: this client has no callback"),
        (["--rotate"], "client: this client has no callback"),
        (["--url", "http://example.org/"], "url: give an https URL"),
        (["--url", "https://10.0.0.1/"], "url: 10.0.0.1 leads to 10.0.0.1, which is not on the public internet"),
    ],
)
def test_what_cannot_be_done_is_said(federation: Federation, words: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=re.escape(problem)):
        run("register_callback", *WHO, *words)
    assert Callback.objects.count() == 0


def test_a_stranger_has_no_callback(federation: Federation) -> None:
    for command in (["register_callback", "--off"], ["send_test_callback"]):
        with pytest.raises(CommandError, match="no active client"):
            run(*command, "--client", ISSUER, "nobody")
