"""`make demo` and `make sandbox`: runs the gateway, the workers, the registry and the portal in the foreground. Prints
the portal's address, a token and commands that call the gateway.

The workers call simulators of the administrations' APIs. With `--bus amqp://…`, workers run in processes of their own,
otherwise in the gateway's process. With `--cases DIR`, the recorded answers in DIR take the place of workers.
"""
# The script uses the standard library alone, and runs the installed commands as an operator would.

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
EMBEDDED = "memory:"
PORTAL_PORT = 8030
PORTS = range(10_000, 20_000)
"""Ports of the processes whose port the user does not choose."""
# Below the ports that Linux usually gives to outgoing connections: one of these would sometimes take the port first.
_used_ports: set[int] = set()
CASES = Path(__file__).parents[1] / "sandbox" / "cases"
STARTUP_S = 60.0
STOP_S = 15.0
STOPPING = (signal.SIGINT, signal.SIGTERM)

# A CAF allocataire of the simulators; services/providers/hub has the others.
LOOKUP = "/v3/dss/quotient_familial/identite"
BY_SESSION = LOOKUP.replace("identite", "france_connect")
UNKNOWN = "/v3/no_such_provider/no_such_resource/identite"
SESSION = "jeton-maelys"  # her session at the simulated FranceConnect; services/providers/france_connect has the others
PERSON: dict[str, str | list[str]] = {
    "recipient": "13002526500013",
    "nomNaissance": "LE GOUADEC",
    "prenoms[]": ["Maëlys", "Inès"],
    "anneeDateNaissance": "1989",
    "moisDateNaissance": "6",
    "jourDateNaissance": "14",
    "sexeEtatCivil": "F",
    "codeCogInseePaysNaissance": "99100",
    "codeCogInseeCommuneNaissance": "29019",
}
SECOND, EDITOR = "21350238800001", "21750001600019"  # SIRET of the second habilitation's holder, and of the editor


class Processes:
    def __init__(self) -> None:
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, environ: dict[str, str], *command: str) -> None:
        # In a session of its own, so that Ctrl-C reaches the demo alone, which then stops all in order.
        process = subprocess.Popen([BIN / command[0], *command[1:]], env=environ, start_new_session=True)
        self._running.append((" ".join(command), process))

    def check(self) -> None:
        for name, process in self._running:
            if process.poll() is not None:
                raise SystemExit(f"{name} ended with status {process.returncode}")

    def stop(self) -> None:
        for _, process in reversed(self._running):
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class RegistryApi:
    """Client of the registry's internal API in the demo. Also starts the API's process."""

    def __init__(self, processes: Processes, environ: dict[str, str]) -> None:
        self._url = f"http://127.0.0.1:{free_port()}"
        self._secret = secrets.token_hex(32)
        own = {
            "BOUQUET_REGISTRY_SIGNING_KEY": environ["BOUQUET_GATEWAY_TOKEN_KEY"],
            "BOUQUET_REGISTRY_API_SECRETS": f"demo:{self._secret}",
            "BOUQUET_REGISTRY_FORMS": "examples",
            "BOUQUET_REGISTRY_API_PORT": self._url.rpartition(":")[2],
            "BOUQUET_REGISTRY_PORT": "0",
        }
        processes.start(_for_worker(environ) | own, "bouquet-registry", "api")
        _wait_for_status(processes, "the registry's API", f"{self._url}/acts", self._secret, 200)

    def tokens_with(self, scopes: list[str]) -> tuple[str, str]:
        """Registers two habilitations with these scopes, and a software editor to which both are delegated. Returns the
        first habilitation's token and the editor's token."""
        first, second = (
            self._habilitation(siret, name, scopes)
            for siret, name in ((PERSON["recipient"], "Mairie de démonstration"), (SECOND, "Ville de démonstration"))
        )
        fields = {"siret": EDITOR, "name": "Éditeur de démonstration", "delegable": True}
        editor = self._act("/editors", fields)["id"]
        for habilitation in (first, second):
            self._act("/delegations", {"editor": editor, "habilitation": habilitation})
        issued = (self._act(f"/{owner}/tokens", {}) for owner in (f"habilitations/{first}", f"editors/{editor}"))
        own, editors = (str(token["jwt"]) for token in issued)
        return own, editors

    def _habilitation(self, siret: str | list[str], name: str, scopes: list[str]) -> str:
        contacts = [{"kind": "demandeur", "email": "anne.durant@mairie.example", "name": "Anne Durant"}]
        fields = {"siret": siret, "name": name, "purpose": "Cantine", "scopes": scopes, "contacts": contacts}
        return str(self._act("/habilitations", fields | {"ine": True})["id"])

    def curl(self, path: str) -> str:
        return shlex.join(["curl", "-s", "-H", f"Authorization: Bearer {self._secret}", f"{self._url}{path}"])

    def _act(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self._url}{path}",
            data=json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._secret}",
                "Content-Type": "application/json",
                "X-Author": "make demo",
                "X-Reason": "demo",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: dict[str, Any] = json.loads(response.read())
            return answer


def main() -> int:
    arguments = _arguments()
    for number in STOPPING:
        signal.signal(number, _interrupt)
    _used_ports.update({arguments.port, arguments.portal_port or PORTAL_PORT})
    processes, folder = Processes(), tempfile.TemporaryDirectory(prefix="bouquet-demo-")
    try:
        environ = _environ(arguments)
        url = f"http://127.0.0.1:{arguments.port}"
        token = _output(environ, "bouquet-gateway", "token").strip()
        sandbox, sandbox_token = (url, token) if arguments.cases else _start_portals_sandbox(processes, environ)
        portal = _start_portal(processes, arguments, environ, folder.name, sandbox, sandbox_token)
        api = None
        if arguments.cases:
            _start_sandbox(processes, arguments, environ)
        else:
            environ |= _journal_and_registry_settings(folder.name)
            _start_mesh(processes, arguments, environ)
            api = RegistryApi(processes, environ)
            token, editor_token = api.tokens_with(_scopes_of(token))
        processes.start(environ, "bouquet-gateway", "serve")
        # 404 for an unknown path, not 502: the gateway has the offer of each provider that it may ask.
        _wait_for_status(processes, "the gateway", f"{url}{UNKNOWN}", token, 404)
        _wait_for_status(processes, "the first call", _lookup(url), token, *((200, 404) if arguments.cases else (200,)))
        _wait_for_status(processes, "the portal", f"{portal}/readyz", "", 200)
        print(f"PORTAL {portal}")
        print(f"READY {url} token={token}")
        print(_curl(url, token))
        print(_curl_by_session(url), flush=True)
        if api is not None:
            print(f"# by an editor, to which two habilitations are delegated:\n{_curl(url, editor_token)}")
            print(f"# the registry's internal API:\n{api.curl('/habilitations')}", flush=True)
        while True:
            processes.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        _ignore_interruptions()
        processes.stop()
        folder.cleanup()


def _interrupt(*_: object) -> None:
    """Signal handler that ends the demo by `KeyboardInterrupt`. Later signals are ignored."""
    # A second Ctrl-C could otherwise keep the demo from stopping its processes.
    _ignore_interruptions()
    raise KeyboardInterrupt


def _ignore_interruptions() -> None:
    # An empty handler is set instead of SIG_IGN, because with SIG_IGN Python prints an error if a signal is already
    # pending.
    for number in STOPPING:
        signal.signal(number, lambda *_: None)


def _start_mesh(processes: Processes, arguments: argparse.Namespace, environ: dict[str, str]) -> None:
    simulators = f"http://127.0.0.1:{free_port()}"
    processes.start(environ, "bouquet-worker", "simulators", "--port", simulators.rpartition(":")[2])
    settings = _output(environ, "bouquet-worker", "simulator-settings", simulators)
    environ |= dict(line.split("=", 1) for line in settings.splitlines())
    if arguments.bus != EMBEDDED:
        providers = _output(environ, "bouquet-worker", "list").split()
        environ["BOUQUET_GATEWAY_PROVIDERS"] = ",".join(providers)
        for provider in providers:
            processes.start(_for_worker(environ), "bouquet-worker", "run", provider)
        processes.start(_for_worker(environ) | {"BOUQUET_REGISTRY_PORT": "0"}, "bouquet-registry", "serve")


def _start_portals_sandbox(processes: Processes, environ: dict[str, str]) -> tuple[str, str]:
    """Starts the sandbox gateway that the portal's console calls. Returns the gateway's address, and a token for calls
    to it."""
    port = str(free_port())
    address = f"http://127.0.0.1:{port}"
    own = {
        "BOUQUET_BUS_URL": EMBEDDED,
        "BOUQUET_GATEWAY_PORT": port,
        "BOUQUET_GATEWAY_PUBLIC_URL": address,
        "BOUQUET_GATEWAY_TOKEN_KEY": secrets.token_hex(32),
        "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
        "BOUQUET_GATEWAY_SANDBOX": "true",
        "BOUQUET_CASEBOOK_CASES": str(CASES),
    }
    processes.start(environ | own, "bouquet-gateway", "serve")
    return address, _output(environ | own, "bouquet-gateway", "token").strip()


def _start_portal(
    processes: Processes,
    arguments: argparse.Namespace,
    environ: dict[str, str],
    folder: str,
    sandbox: str,
    sandbox_token: str,
) -> str:
    """Starts the portal, and returns its address. The portal's console calls the sandbox gateway at the address
    `sandbox` with the token `sandbox_token`. The portal's database and mails are files in `folder`."""
    # It comes first, since it starts beside all others, and shows documents as soon as the gateway has them.
    port = arguments.portal_port or (PORTAL_PORT if _is_free(PORTAL_PORT) else free_port())
    address = f"http://127.0.0.1:{port}"
    own = {
        "BOUQUET_PORTAL_PORT": str(port),
        "BOUQUET_PORTAL_PUBLIC_URL": address,
        "BOUQUET_PORTAL_METRICS_PORT": "0",
        "BOUQUET_PORTAL_GATEWAY_URL": f"http://127.0.0.1:{arguments.port}",
        "BOUQUET_PORTAL_SANDBOX_URL": sandbox,
        "BOUQUET_PORTAL_SANDBOX_TOKEN": sandbox_token,
        "BOUQUET_PORTAL_DATABASE_URL": f"sqlite:///{folder}/portal.db",
        "BOUQUET_PORTAL_MAIL_URL": f"file://{folder}/mails",
        "BOUQUET_PORTAL_ENVIRONMENT_NOTICE": "Démonstration : toutes les personnes sont inventées.",
    }
    foreign = {name: value for name, value in environ.items() if not name.startswith("BOUQUET_")}
    processes.start(foreign | own, "bouquet-portal", "serve", "--migrate")
    return address


def _start_sandbox(processes: Processes, arguments: argparse.Namespace, environ: dict[str, str]) -> None:
    environ |= {"BOUQUET_GATEWAY_SANDBOX": "true", "BOUQUET_CASEBOOK_CASES": str(arguments.cases.resolve())}
    if arguments.bus != EMBEDDED:
        providers = sorted({*_output(environ, "bouquet-worker", "list").split(), "france_connect"})
        environ["BOUQUET_GATEWAY_PROVIDERS"] = ",".join(providers)
        processes.start(_for_worker(environ), "bouquet-worker", "casebook", "--cases", str(arguments.cases))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000, help="port of the gateway")
    parser.add_argument("--portal-port", type=int, help=f"port of the portal; {PORTAL_PORT}, or another if it is taken")
    parser.add_argument("--bus", default=EMBEDDED, help="URL of the bus, amqp://… for a broker")
    parser.add_argument("--cases", type=_folder, help="folder of case files, for a sandbox without simulators")
    return parser.parse_args()


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return path


def _environ(arguments: argparse.Namespace) -> dict[str, str]:
    """Returns the environment variables for the demo's processes. Replaces this process's own `BOUQUET_…` variables by
    the demo's settings, and passes on all other variables."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("BOUQUET_")},
        "BOUQUET_BUS_URL": arguments.bus,
        "BOUQUET_GATEWAY_PORT": str(arguments.port),
        "BOUQUET_GATEWAY_PUBLIC_URL": f"http://127.0.0.1:{arguments.port}",
        "BOUQUET_GATEWAY_PROOF_KEYS": f"demo:{secrets.token_hex(32)}",
        "BOUQUET_GATEWAY_TOKEN_KEY": secrets.token_hex(32),
        "BOUQUET_GATEWAY_TOKENS_FROM": "claims" if arguments.cases else "registry",
    }


def _journal_and_registry_settings(folder: str) -> dict[str, str]:
    """Returns the settings of the access journal and the registry. The registry's database and the gateway's spool
    (unsent journal records) are in `folder`."""
    return {
        "BOUQUET_GATEWAY_JOURNAL_KEY": f"demo:{secrets.token_hex(32)}",
        "BOUQUET_GATEWAY_JOURNAL_SPOOL": f"{folder}/spool",
        "BOUQUET_REGISTRY_DATABASE_URL": f"sqlite:///{folder}/registry.db",
    }


def _scopes_of(token: str) -> list[str]:
    claims = token.split(".")[1]
    return list(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["scopes"])


def _for_worker(environ: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("BOUQUET_GATEWAY_")}


def _output(environ: dict[str, str], *command: str) -> str:
    return subprocess.run(
        [BIN / command[0], *command[1:]], env=environ, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def free_port() -> int:
    """Returns a free port of `PORTS`, another one at each call."""
    while True:
        port = PORTS[secrets.randbelow(len(PORTS))]
        if port not in _used_ports and _is_free(port):
            _used_ports.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _lookup(url: str) -> str:
    return f"{url}{LOOKUP}?{urllib.parse.urlencode(PERSON, doseq=True)}"


def _curl(url: str, token: str) -> str:
    return shlex.join(["curl", "-s", "-H", f"Authorization: Bearer {token}", _lookup(url)])


def _curl_by_session(url: str) -> str:
    recipient = urllib.parse.urlencode({"recipient": PERSON["recipient"]})
    return shlex.join(["curl", "-s", "-H", f"Authorization: Bearer {SESSION}", f"{url}{BY_SESSION}?{recipient}"])


def _wait_for_status(processes: Processes, name: str, url: str, token: str, *statuses: int) -> None:
    """Waits until a GET of `url` with this token is answered with one of the HTTP `statuses`. Raises `SystemExit` after
    `STARTUP_S` seconds. The message says that `name`, such as `the portal`, did not answer."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    give_up = time.monotonic() + STARTUP_S
    while time.monotonic() < give_up:
        processes.check()
        try:
            with urllib.request.urlopen(request, timeout=12) as response:
                status = response.status
        except urllib.error.HTTPError as refusal:
            with refusal:
                status = refusal.code
        except OSError:
            status = None
        if status in statuses:
            return
        time.sleep(0.05)
    raise SystemExit(f"{name} did not answer in time")


if __name__ == "__main__":
    sys.exit(main())
