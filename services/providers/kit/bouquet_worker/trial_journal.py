"""Recording of lookups by `bouquet-worker try --real` in a gateway's access journal. The command first sends the lookup
to the gateway, which records and answers it. Then the command asks the real upstream itself (docs/adr/0020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import aiohttp
import msgspec
from msgspec import Struct

from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import ServerUrl
from bouquet_mesh.settings import SettingsError, load

PREFIX = "BOUQUET_TRY_"
NOT_ASKED_PREFIX = "00"
"""First two digits of a gateway's error code if it asked no provider. The lookup then counts as not recorded."""
TIMEOUT_S = 30.0


class TrySettings(Struct, frozen=True, kw_only=True):
    """Settings of `bouquet-worker try --real`, which sends a lookup to a real upstream."""

    real: Literal["no", "yes"] = "no"
    """`yes` to allow lookups about real persons at a real upstream. With `no`, the command refuses them."""
    gateway_url: Annotated[str, ServerUrl(("http",))]
    """URL of a gateway with an access journal. The command sends the lookup to this gateway first, so that the journal
    records who asked."""
    token: Secret
    """Token for the gateway at `gateway_url`. The journal records the lookup under the token's habilitation (the right
    of an administration to ask)."""


class _Error(Struct):
    code: str = ""


class _Errors(Struct):
    errors: tuple[_Error, ...] = ()


def read_settings(environ: Mapping[str, str]) -> TrySettings:
    """Reads the settings `BOUQUET_TRY_*`. Raises `SettingsError` if a setting is wrong, or if `BOUQUET_TRY_REAL` is not
    `yes`."""
    if environ.get(f"{PREFIX}REAL") != "yes":
        raise SettingsError([f"{PREFIX}REAL: must be yes for a question to a real upstream about a real person"])
    return load(TrySettings, environ, PREFIX)


async def record(settings: TrySettings, path: str, query: Sequence[tuple[str, str]]) -> str:
    """Sends a lookup to the gateway, so that the gateway's access journal records who asked. `path` is the operation's
    path, and `query` the query parameters. Returns "" if the lookup was recorded, else the reason why it was not."""
    headers = {"Authorization": f"Bearer {settings.token.reveal()}"}
    url = settings.gateway_url.rstrip("/") + path
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.get(url, params=list(query), allow_redirects=False) as answer,
        ):
            return _objection(answer.status, await answer.read())
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"the gateway does not answer ({type(error).__name__})"


def _objection(status: int, body: bytes) -> str:
    # A gateway with a journal answers with data, or says that a provider was asked, only once the record is written.
    if status == 200:
        return ""
    try:
        codes = [error.code for error in msgspec.json.decode(body, type=_Errors).errors]
    except msgspec.DecodeError:
        codes = []
    if codes and not any(code.startswith(NOT_ASKED_PREFIX) for code in codes):
        return ""
    return f"the gateway did not ask the provider ({', '.join([str(status), *codes])})"
