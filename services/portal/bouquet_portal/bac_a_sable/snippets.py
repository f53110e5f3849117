"""Programs that repeat a call, for visitors to copy: curl, Python, JavaScript and PHP. Each program runs unchanged."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from msgspec import Struct

from bouquet_portal.bac_a_sable.sandbox import Call


class Snippet(Struct, frozen=True):
    """Program in one language, such as Python, that a visitor can copy to repeat a call to the sandbox."""

    name: str
    anchor: str
    note: str
    code: str


def snippets(call: Call, url: str) -> tuple[Snippet, ...]:
    """Returns, for each language, a program that makes this call to the sandbox at `url`."""
    address = f"{url.rstrip('/')}{call.operation.path}"
    return (
        Snippet("curl", "curl", "", _curl(call, address)),
        Snippet("Python", "python", "Bibliothèque standard, Python 3.9 ou plus.", _python(call, address)),
        Snippet(
            "JavaScript",
            "javascript",
            "Node 18 ou plus. Un navigateur ne peut pas faire cet appel.",
            _node(call, address),
        ),
        Snippet("PHP", "php", "PHP 7.4 ou plus, avec l’extension curl.", _php(call, address)),
    )


def dossier_command(text: str, token: str, address: str) -> str:
    """Returns the curl command that posts a dossier, the JSON `text`, to the sandbox at `address`."""
    lines = [f"curl --silent {shlex.quote(address)}", '--header "Authorization: Bearer $JETON"']
    lines += ["--header 'Content-Type: application/json'", f"--data {shlex.quote(text)}"]
    return f"JETON={shlex.quote(token)}\n" + " \\\n  ".join(lines)


def _curl(call: Call, address: str) -> str:
    header, prefix = call.operation.credential
    lines = [f"curl --silent --get {shlex.quote(address)}", f'--header "{header}: {prefix}$JETON"']
    for name, values in _values(call).items():
        lines += [f"--data-urlencode {shlex.quote(f'{name}={value}')}" for value in values]
    return f"JETON={shlex.quote(call.token)}\n" + " \\\n  ".join(lines)


def _python(call: Call, address: str) -> str:
    name, prefix = call.operation.credential
    return f"""import json
from urllib.parse import urlencode
from urllib.request import HTTPErrorProcessor, Request, build_opener


class Erreurs(HTTPErrorProcessor):
    # Une erreur de l'API a un corps JSON comme les autres réponses.
    def http_response(self, request, response):
        return response

    https_response = http_response


jeton = {json.dumps(call.token)}
parametres = {_literal(call)}
adresse = {json.dumps(address)} + "?" + urlencode(parametres, doseq=True)
requete = Request(adresse, headers={{{json.dumps(name)}: {_prefixed(prefix, "jeton")}}})
with build_opener(Erreurs).open(requete, timeout=15) as reponse:
    print(json.dumps(json.load(reponse), indent=2, ensure_ascii=False))"""


def _node(call: Call, address: str) -> str:
    name, prefix = call.operation.credential
    return f"""const jeton = {json.dumps(call.token)};
const adresse = new URL({json.dumps(address)});
for (const [nom, valeurs] of Object.entries({_literal(call)})) {{
  for (const valeur of [valeurs].flat()) adresse.searchParams.append(nom, valeur);
}}
const entetes = {{ {json.dumps(name)}: {_prefixed(prefix, "jeton")} }};
fetch(adresse, {{ headers: entetes, signal: AbortSignal.timeout(15000) }})
  .then((reponse) => reponse.json())
  .then((corps) => console.log(JSON.stringify(corps, null, 2)));"""


def _php(call: Call, address: str) -> str:
    header, prefix = call.operation.credential
    lines = [
        f"    {_php_text(name)} => {_php_list(values) if name.endswith('[]') else _php_text(values[0])},"
        for name, values in _values(call).items()
    ]
    pairs = "\n".join(lines)
    return f"""<?php
$jeton = {_php_text(call.token)};
$parametres = [
{pairs}
];
$paires = [];
foreach ($parametres as $nom => $valeurs) {{
    foreach ((array) $valeurs as $valeur) {{
        $paires[] = rawurlencode($nom) . '=' . rawurlencode($valeur);
    }}
}}
$appel = curl_init({_php_text(address)} . '?' . implode('&', $paires));
curl_setopt_array($appel, [
    CURLOPT_HTTPHEADER => [{_php_text(f"{header}: {prefix}")} . $jeton],
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_TIMEOUT => 15,
]);
echo curl_exec($appel), PHP_EOL;"""


def _prefixed(prefix: str, variable: str) -> str:
    """Returns an expression, valid in both Python and JavaScript, that puts the text `prefix` before the value of
    `variable`."""
    return f"{json.dumps(prefix)} + {variable}" if prefix else variable


def _values(call: Call) -> Mapping[str, tuple[str, ...]]:
    return {name: (value,) if isinstance(value, str) else value for name, value in call.asked.items()}


def _literal(call: Call) -> str:
    """Returns the parameters of a call as a literal that is valid in both Python and JavaScript."""
    return json.dumps(call.asked, ensure_ascii=False, indent=4)


def _php_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _php_list(values: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_php_text, values))}]"
