"""Settings of the portal, read from the variables `BOUQUET_PORTAL_*`. One error reports all wrong settings, without
their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta, Struct, structs

from bouquet_portal.database_url import database_of
from bouquet_portal.proxies import networks

PREFIX = "BOUQUET_PORTAL_"
MAIL_URL = "must be smtp://host, smtps://host or file:///folder"

_SERVICE_LINK = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_\w+)=.*|\w+_PORT=\w+://.*", re.DOTALL)
"""Pattern of the environment variables that Kubernetes sets for each Service, such as `WEB_SERVICE_HOST=10.0.0.1`. The
portal ignores these variables."""
# They could be mistaken for its settings.

Port: TypeAlias = Annotated[int, Meta(ge=0, le=65_535, description="must be a port, 0 to 65535")]
"""TCP port on which to listen; 0 stands for any free port."""
Seconds: TypeAlias = Annotated[float, Meta(gt=0, description="must be more than 0")]
"""Duration above 0, in seconds."""


class SettingsError(Exception):
    """Error for wrong settings, with one line for each: the variable's name and the problem, but never the value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Secret:
    """Secret text, such as a password. `str` and `repr` hide the value, which only `reveal()` returns."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(…)"

    def reveal(self) -> str:
        return self._text


class PortalSettings(Struct, frozen=True, kw_only=True):
    """Settings of the portal."""

    public_url: str = "http://127.0.0.1:8030"
    """Address at which people reach the portal, such as `https://host`, without a path. If it begins with `https`,
    browsers use the site and its cookies only over TLS."""
    gateway_url: str = "http://127.0.0.1:8000"
    """Address at which the portal reads the gateway's documents and the states of APIs."""
    api_url: str = ""
    """Address of the gateway in the examples on pages, such as `https://host`. If empty, examples contain
    `gateway_url`."""
    gateway_cafile: str = ""
    """Path of a PEM file with the certificate authority that signed the gateway's certificate. If empty, the portal
    trusts the system's authorities."""
    gateway_timeout_s: Seconds = 5.0
    """Longest time in seconds that a request to the gateway may take."""
    documents_every_s: Seconds = 60.0
    """Seconds between two readings of the gateway's OpenAPI document and of its list of errors."""
    states_every_s: Seconds = 15.0
    """Seconds between two requests to the gateway for the states of APIs (working, out of service or in
    maintenance)."""
    database_url: Secret = Secret("sqlite:///bouquet-portal.db")
    """URL of the portal's database: `postgresql://user:password@host/name` or `sqlite:///path`. A PostgreSQL server
    needs a valid certificate; `?sslmode=disable` lifts this rule on a developer's machine.

    `?sslrootcert=…&sslcert=…&sslkey=…` name PEM files: the authority to trust, the client certificate and its key.
    Several hosts, as in `@a:5432,b:5432/name`, are a primary and its standbys.
    """
    secret_key: Secret = Secret("")
    """Secret of at least 32 characters that signs cookies and links. Required if `public_url` begins with `https`. If
    empty, each start makes a new secret, and earlier cookies and links become invalid."""
    host: str = "127.0.0.1"
    """Address on which the portal listens."""
    port: Port = 8030
    """TCP port of the site."""
    metrics_port: Port = 8031
    """Port of `/metrics`, at the same address as the site. The port must not be reachable from outside."""
    trusted_proxies: str = ""
    """Addresses or CIDR ranges, separated by commas, of the proxies whose header `X-Forwarded-For` the portal trusts.
    Visitors behind another proxy share one rate limit."""
    threads: Annotated[int, Meta(ge=1, le=64)] = 8
    """Largest number of requests that the portal answers at the same time."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level of the log lines to write."""
    service_name: str = "Bouquet"
    """Name of the service, as shown on each page."""
    operator_name: str = "l'exploitant de ce service"
    """Name of the organisation that operates the service, as shown on pages and in legal texts."""
    contact_email: str = "contact@bouquet.invalid"
    """E-mail address to which people write for help."""
    operator_address: str = "adresse à compléter"
    """Postal address of the operator, shown in legal texts."""
    publication_director: str = "à compléter"
    """Name of the person responsible for what the site publishes, shown in legal texts."""
    hosting_provider: str = "à compléter"
    """Name and address of the site's hosting provider, shown in legal texts."""
    dpo_email: str = "dpo@bouquet.invalid"
    """E-mail address of the operator's data protection officer, shown on pages."""
    request_url: str = "https://datapass.api.gouv.fr/"
    """Address at which administrations request a habilitation (the right to call operations)."""
    review_delay: str = "11 jours en moyenne"
    """Time that the operator takes to review a request for a habilitation, as a French text for pages."""
    support_hours: str = "du lundi au vendredi, de 9 h à 18 h"
    """Hours at which the operator answers questions, as a French text for pages."""
    journal_retention: str = "36 mois"
    """Time for which records of the access journal are kept, as a French text for pages."""
    source_url: str = ""
    """Address of the source code, to which a link at the foot of each page leads. If empty, there is no link."""
    sandbox_url: str = ""
    """Address of the sandbox gateway, for its test cases and visitors' trial calls. If empty, the portal has no
    sandbox."""
    sandbox_api_url: str = ""
    """Address of the sandbox gateway in the examples on pages, such as `https://host`. If empty, examples contain
    `sandbox_url`."""
    sandbox_cafile: str = ""
    """Path of a PEM file with the certificate authority that signed the sandbox gateway's certificate. If empty, the
    portal trusts the system's authorities."""
    sandbox_token: Secret = Secret("")
    """Token with which the portal calls the sandbox gateway. Pages show the token to every visitor. Required if
    `sandbox_url` is set."""
    calls_per_second: Annotated[int, Meta(ge=1)] = 20
    """Largest number of calls per second for one token, as stated on pages. The limit itself is a setting of the
    gateway."""
    deadline_s: Annotated[int, Meta(ge=1)] = 10
    """Seconds within which the gateway answers a call, as stated on pages. The limit itself is a setting of the
    gateway."""
    client_timeout_s: Annotated[int, Meta(ge=1)] = 15
    """Seconds for which pages advise clients to wait for an answer. The portal itself does not use this time."""
    availability: str = "99,5 %"
    """Availability that the operator promises, as a French text for pages."""
    mail_url: Secret = Secret("")
    """URL of the mail server: `smtp://user:password@host:port` (STARTTLS) or `smtps://…`. If empty, the site has no
    form for software editors, and names `contact_email` instead.

    `?cafile=…` names a PEM file with the certificate authority to trust. `file:///folder` writes mails to files.
    """
    mail_plain: bool = False
    """Whether mails may be sent without TLS (`smtp://`), for a developer's machine. `mail_url` must then contain no
    password."""
    mail_from: str = "ne-pas-repondre@bouquet.invalid"
    """Sender address of the mails that the portal sends."""
    editor_requests_keep_months: Annotated[int, Meta(ge=1, le=60)] = 24
    """Months for which a software editor's request to be listed is kept after the editor has confirmed it."""
    environment_notice: str = ""
    """Text at the top of each page, for example to say that the site is a test environment. Empty for none."""


def read(environ: Mapping[str, str]) -> PortalSettings:
    """Reads the settings from environment variables. Raises one `SettingsError` that lists every problem."""
    own = {name: text for name, text in environ.items() if not _SERVICE_LINK.fullmatch(f"{name}={text}")}
    fields = {PREFIX + field.name.upper(): field for field in structs.fields(PortalSettings)}
    problems = list(_unknown(own, fields))
    values = {}
    for name, field in fields.items():
        try:
            text = _text(name, own)
            if text is not None:
                values[field.name] = _value(text, field.type)
        except (OSError, UnicodeDecodeError):
            problems.append(f"{name}_FILE: cannot be read")
        except msgspec.ValidationError:
            problems.append(f"{name}: {_expectation(field.type)}")
    settings = PortalSettings(**values)
    problems += _inconsistent(settings)
    if problems:
        raise SettingsError(dict.fromkeys(problems))
    return settings


def _text(name: str, environ: Mapping[str, str]) -> str | None:
    """Returns the value of the setting `name`, or None if it is not set. The variable `{name}_FILE`, if set, names a
    file that contains the value."""
    if path := environ.get(f"{name}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    return environ.get(name)


def _value(text: str, kind: Any) -> Any:
    return Secret(text) if kind is Secret else msgspec.convert(text, kind, strict=False)


def _expectation(kind: Any) -> str:
    """Returns a text for error messages that says which values a setting may have, such as `must be one of DEBUG,
    INFO`. `kind` is the type of the setting."""
    if getattr(kind, "__metadata__", ()):
        meta = kind.__metadata__[0]
        if meta.description:
            return str(meta.description)
        bounds = [f"from {meta.ge}"] * (meta.ge is not None) + [f"to {meta.le}"] * (meta.le is not None)
        return f"must be a whole number {' '.join(bounds)}".rstrip()
    if choices := getattr(kind, "__args__", ()):
        return f"must be one of {', '.join(map(str, choices))}"
    return "is not valid"


def _unknown(environ: Mapping[str, str], known: Mapping[str, object]) -> Iterator[str]:
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable.removesuffix("_FILE") not in known:
            near = get_close_matches(variable, known, n=1, cutoff=0.9)
            yield f"{variable}: unknown setting" + (f", did you mean {near[0]}?" if near else "")


def _inconsistent(settings: PortalSettings) -> Iterator[str]:
    for name in ("public_url", "gateway_url", "api_url", "sandbox_url", "sandbox_api_url", "request_url", "source_url"):
        address = getattr(settings, name)
        if address and not _is_address(address):
            yield f"{PREFIX}{name.upper()}: must be an address, http://host or https://host"
    try:
        networks(settings.trusted_proxies)
    except ValueError:
        yield f"{PREFIX}TRUSTED_PROXIES: must be addresses or CIDR ranges, separated by commas"
    try:
        database_of(settings.database_url.reveal())
    except ValueError as error:
        yield f"{PREFIX}DATABASE_URL: {error}"
    key = settings.secret_key.reveal()
    if settings.public_url.startswith("https:") and not key:
        yield f"{PREFIX}SECRET_KEY: is required with an https address"
    elif key and len(key) < 32:
        yield f"{PREFIX}SECRET_KEY: must have 32 characters or more"
    if settings.sandbox_url and not settings.sandbox_token.reveal():
        yield f"{PREFIX}SANDBOX_TOKEN: is required with {PREFIX}SANDBOX_URL"
    if settings.sandbox_cafile and not Path(settings.sandbox_cafile).is_file():
        yield f"{PREFIX}SANDBOX_CAFILE: is not a file"
    if settings.gateway_cafile and not Path(settings.gateway_cafile).is_file():
        yield f"{PREFIX}GATEWAY_CAFILE: is not a file"
    yield from _wrong_mail(settings)


def _wrong_mail(settings: PortalSettings) -> Iterator[str]:
    url = settings.mail_url.reveal()
    try:
        parts = urlsplit(url)
        is_server = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        yield f"{PREFIX}MAIL_URL: {MAIL_URL}"
        return
    if url and not is_server and not (parts.scheme == "file" and parts.path.startswith("/")):
        yield f"{PREFIX}MAIL_URL: {MAIL_URL}"
    if settings.mail_plain and parts.password:
        yield f"{PREFIX}MAIL_URL: must contain no password with {PREFIX}MAIL_PLAIN"
    cafile = parse_qs(parts.query).get("cafile", [""])[0]
    if is_server and cafile and not Path(cafile).is_file():
        yield f"{PREFIX}MAIL_URL: its cafile is not a file"
    if not re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", settings.mail_from):
        yield f"{PREFIX}MAIL_FROM: must be an e-mail address"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
