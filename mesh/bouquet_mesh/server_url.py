"""Check of a setting that must be the URL of one or several servers, and functions that read the parts of this URL."""

from __future__ import annotations

import re

from msgspec import Struct
from yarl import URL

DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379, "postgresql": 5432}
_PARTS = re.compile(r"(?P<before>\w+://(?:[^/?#]*@)?)(?P<hosts>[^/?#]*)(?P<after>.*)", re.DOTALL)
_URL_SEPARATOR = re.compile(r"\s|,\w+://")
"""Pattern of what separates two complete URLs: white space, or a comma before a scheme such as `amqp://`."""


class ServerUrl(Struct, frozen=True):
    """Annotation of a setting that must be the URL of a server. For example, `Annotated[Secret, ServerUrl(("amqp",),
    "memory:")]` accepts `amqp://…`, `amqps://…` and `memory:`."""

    protocols: tuple[str, ...]
    """Accepted schemes of the URL, with or without TLS: `amqp` accepts `amqp://…` and `amqps://…`."""
    alternative: str | None = None
    """Text that is accepted in place of a URL, such as `memory:`; None if only URLs are accepted."""
    allows_several: bool = False
    """Whether a value may name several servers, as in `amqp://user:secret@a:5672,b:5672/vhost`."""

    def fault(self, text: str) -> str:
        """Returns what is wrong with the value of a setting, or "" if it is valid. The result does not quote the
        value."""
        if text == self.alternative:
            return ""
        if not text.startswith(tuple(f"{protocol}{tls}://" for protocol in self.protocols for tls in ("", "s"))):
            forms = [self.alternative or "", *(f"{protocol}(s)://…" for protocol in self.protocols)]
            return "must be " + " or ".join(filter(None, forms))
        return _fault_of_servers(text) if self.allows_several else _fault_of_server(text)


def each_server(url: str) -> tuple[str, ...]:
    """Splits a URL that names several servers into one URL for each server. The results differ only in host and
    port."""
    parts = _PARTS.fullmatch(url)
    return tuple(f"{parts['before']}{host}{parts['after']}" for host in _hosts(url)) if parts else (url,)


def address_of(server: str, default_port: int = 0) -> str:
    """Returns `host:port` of the server that a URL names. If the URL has no port, the port is `default_port` or, if
    `default_port` is 0, the scheme's usual port."""
    url = URL(server)
    return f"{url.host}:{url.port or default_port or DEFAULT_PORTS.get(url.scheme, 0)}"


def _hosts(url: str) -> list[str]:
    parts = _PARTS.fullmatch(url)
    return parts["hosts"].split(",") if parts else []


def _fault_of_server(url: str) -> str:
    return "" if names_one_server(url) else "must name one server, as host or host:port"


def _fault_of_servers(url: str) -> str:
    servers = each_server(url)
    if any(not host or host.startswith(":") for host in _hosts(url)):
        return "has an empty host"
    if _URL_SEPARATOR.search(url) or not all(map(names_one_server, servers)):
        return "must name servers as host or host:port, with a comma between two of them"
    return "names a server twice" if len(set(map(address_of, servers))) < len(servers) else ""


def names_one_server(url: str) -> bool:
    """Returns whether `url` names exactly one host, with or without a port."""
    try:
        host = URL(url).host or ""
        host.encode("idna")
    except ValueError:  # UnicodeError is one
        return False
    return bool(host) and "," not in host and not _URL_SEPARATOR.search(url)
