"""The development OpenID provider (devtools/op), as a child process.

Client ids hold no colon and secrets neither colon nor at sign: back ends write both into one variable,
`<id>:<secret>@<issuer>`.
"""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from devtools.paths import ROOT
from devtools.processes import Child, Command, answers, wait_until
from devtools.setup import node

AUDIENCE = "urn:openeo:credits"
DEVICE_CLIENT = "openeo-platform-default-client"
REALM = "/auth/realms/egi"
CALLBACK_PATH = "/oidc/callback/"


def portal_client(client_id: str, secret: str, callback_path: str = CALLBACK_PATH) -> dict[str, Any]:
    """Describe the portal to the provider; the provider accepts any port of these addresses."""
    hosts = ("http://127.0.0.1", "http://localhost")
    return {
        "kind": "portal",
        "client_id": client_id,
        "client_secret": secret,
        "redirect_uris": [f"{host}{callback_path}" for host in hosts],
        "post_logout_redirect_uris": [f"{host}/" for host in hosts],
    }


def service_client(client_id: str, secret: str, **more: str) -> dict[str, Any]:
    """Describe a back end's client; `audience` and `subject` replace what its tokens carry by default."""
    return {"kind": "service", "client_id": client_id, "client_secret": secret, **more}


def device_client(client_id: str = DEVICE_CLIENT) -> dict[str, Any]:
    return {"kind": "device", "client_id": client_id}


@dataclass
class Provider:
    """A provider on `port` that knows `people` and `clients`; its files and log are in `folder`.

    People: dictionaries with `login`, `sub`, any claims, and for the sign-in page `note` and
    `listed` (false hides). Keys stay the same over restarts in the same folder.
    """

    port: int
    folder: Path
    people: Sequence[Mapping[str, Any]] = ()
    clients: Sequence[Mapping[str, Any]] = ()
    realm: str = REALM
    env: Mapping[str, str] = field(default_factory=dict)
    child: Child | None = None

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def issuer(self) -> str:
        return self.root + self.realm

    def endpoint(self, name: str) -> str:
        """Return the address of one of Keycloak's endpoints: auth, token, userinfo, certs ..."""
        return f"{self.issuer}/protocol/openid-connect/{name}"

    def start(self) -> "Provider":
        """:raises ProcessError: when it does not answer within 20 s, for instance without `npm ci`."""
        self.launch()
        self.wait()
        return self

    def launch(self) -> None:
        """Start without waiting, so that others can start beside it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.publish(self.people, self.clients)
        env = {
            "PORT": str(self.port),
            "OP_ISSUER": self.issuer,
            "OP_AUDIENCE": AUDIENCE,
            "OP_USERS": str(self.folder / "people.json"),
            "OP_CLIENTS": str(self.folder / "clients.json"),
            "OP_KEYS": str(self.folder / "keys.json"),
            "NODE_NO_WARNINGS": "1",
            **self.env,
        }
        command: Command = [node.find() or "node", ROOT / "devtools" / "op" / "server.mjs"]
        self.child = Child.start("provider", command, self.folder, env=env, cwd=ROOT)

    def publish(self, people: Sequence[Mapping[str, Any]], clients: Sequence[Mapping[str, Any]]) -> None:
        """Tell the provider, running or not, whom it knows from now on."""
        self.people, self.clients = people, clients
        self._write("people.json", people)
        self._write("clients.json", clients)

    def wait(self) -> None:
        """:raises ProcessError: when it ends meanwhile, or does not answer within 20 s."""
        discovery = f"{self.issuer}/.well-known/openid-configuration"
        wait_until(lambda: answers(discovery), "the sign-in provider", seconds=20, child=self.child)

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()

    def __enter__(self) -> "Provider":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _write(self, name: str, value: Sequence[Mapping[str, Any]]) -> None:
        # In one step: a provider that is running reads the file whenever it has changed.
        fresh = self.folder / f"{name}.new"
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(list(value), indent=1))
        fresh.replace(self.folder / name)


@dataclass(frozen=True)
class ProviderAdmin:
    """What tests ask of a running provider, beyond what a real one offers."""

    root: str

    def set_fault(self, endpoint: str, kind: str, **more: Any) -> None:
        """Make an endpoint fail as devtools/op/faults.mjs lists, until cleared or `times` answers."""
        self._call("POST", "fault", {"endpoint": endpoint, "kind": kind, **more})

    def clear_faults(self) -> None:
        self._call("DELETE", "fault")

    def rotate_keys(self) -> list[str]:
        """Sign with a new key from now on; return the ids of all keys that are published."""
        kids: list[str] = self._call("POST", "rotate")["kids"]
        return kids

    def add_person(self, **person: Any) -> None:
        self._call("POST", "people", person)

    def add_client(self, client: Mapping[str, Any]) -> None:
        self._call("POST", "clients", client)

    def mint(self, payload: Mapping[str, Any], **how: Any) -> str:
        """Return a token signed by the provider, with any claims; None takes a default claim away.

        `alg` RS256, HS256 or none; `key` current or foreign; `kid` another key id, or None for no id.
        """
        token: str = self._call("POST", "token", {"payload": payload, **how})["access_token"]
        return token

    def _call(self, method: str, action: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.root}/_admin/{action}", data, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
