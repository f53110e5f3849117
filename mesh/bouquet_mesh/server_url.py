"""The URL of one server, as a setting gives it: judged by its form, before anything connects to it."""

from __future__ import annotations

import re

from msgspec import Struct
from yarl import URL

_SEVERAL = re.compile(r"\s|,\w+://")
"""What stands between two URLs. In the URL of one server both would be percent-encoded."""


class ServerUrl(Struct, frozen=True):
    """Annotates a setting: `Annotated[Secret, ServerUrl(("amqp",), "memory:")]`."""

    protocols: tuple[str, ...]
    """Each stands for its variant with TLS too: `amqp` for `amqps`."""
    instead: str | None = None
    """A value that is accepted in place of a URL."""

    def fault(self, text: str) -> str:
        """What is wrong with a value, in words that quote nothing of it. Empty when it is accepted."""
        if text == self.instead:
            return ""
        if not text.startswith(tuple(f"{protocol}{tls}://" for protocol in self.protocols for tls in ("", "s"))):
            forms = [self.instead or "", *(f"{protocol}(s)://…" for protocol in self.protocols)]
            return "must be " + " or ".join(filter(None, forms))
        return "" if names_one_server(text) else "must name one server, as host or host:port"


def names_one_server(url: str) -> bool:
    """Whether a host, and a port if there is one, can be read from `url`. A list of several servers is none."""
    try:
        host = URL(url).host or ""
        host.encode("idna")
    except ValueError:  # UnicodeError is one
        return False
    return bool(host) and "," not in host and not _SEVERAL.search(url)
