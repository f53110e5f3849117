"""Software editors, which make calls on behalf of their clients, with their tokens and delegations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from ipaddress import ip_network
from typing import Literal, TypeAlias

from msgspec import Struct

from bouquet_proto.rules import is_siret
from bouquet_registry.habilitations import EMAIL, address_errors, size_errors

EditorState: TypeAlias = Literal["active", "archived"]


class Editor(Struct, frozen=True, kw_only=True):
    """A company whose software makes calls on behalf of the administrations that are its clients."""

    id: str
    siret: str
    name: str = ""
    form_uids: tuple[str, ...] = ()
    """Ids of the editor's DataPass forms. If DataPass grants a habilitation that was requested with one of these forms,
    the habilitation is delegated to the editor."""
    allowed_ips: tuple[str, ...] = ()
    """IP addresses and CIDR ranges from which the editor calls; empty for any address."""
    members: tuple[str, ...] = ()
    """E-mail addresses of the people who may act for the editor."""
    delegable: bool = False
    """Whether habilitations may be delegated to the editor."""
    copies_tokens: bool = False
    """Whether the editor has permission to see the text of its clients' tokens. The registry only stores this
    permission: no process acts on it."""
    state: EditorState = "active"
    version: int = 1
    """Version of the editor's record, beginning at 1. Each change increments the version, and a change based on an
    older version is refused."""
    created_at: datetime
    updated_at: datetime


class EditorToken(Struct, frozen=True, kw_only=True):
    """Access token of a software editor, for calls with the habilitations (rights to call operations) delegated to the
    editor."""

    id: str
    """Id of the token, the claim `jti` of its signed text."""
    editor: str
    label: str = ""
    """Name by which the editor tells its tokens apart."""
    allowed_ips: tuple[str, ...] = ()
    """IP addresses and CIDR ranges from which the token may be used. If empty, `Editor.allowed_ips` applies."""
    issued_at: datetime
    expires_at: datetime
    blacklisted_at: datetime | None = None
    blacklist_reason: str = ""
    last_used_at: datetime | None = None
    """Time of the token's latest known use, or None. The registry may learn of a use up to an hour later."""
    version: int = 1


class Delegation(Struct, frozen=True, kw_only=True):
    """Right of a software editor to make calls with an administration's habilitation (right to call operations). Lasts
    until the delegation is revoked."""

    id: str
    editor: str
    editor_name: str = ""
    habilitation: str
    siret: str
    """SIRET of the habilitation's holder."""
    name: str = ""
    """Name of the habilitation's holder."""
    created_at: datetime
    created_by: str
    created_why: str = ""
    revoked_at: datetime | None = None
    revoked_by: str = ""
    revoked_why: str = ""
    version: int = 1


def validation_errors(editor: Editor) -> list[str]:
    """Returns the faults in an editor's fields, each as a text `field: problem`."""
    return list(_validation_errors(editor))


def _validation_errors(editor: Editor) -> Iterator[str]:
    if not is_siret(editor.siret):
        yield "siret: is no SIRET"
    if not editor.name:
        yield "name: is empty"
    for member in editor.members:
        if not EMAIL.fullmatch(member):
            yield "members: is no e-mail address"
    for number, uid in enumerate(editor.form_uids):
        if not uid.isprintable():
            yield f"form_uids[{number}]: contains a control character"
    yield from address_errors(editor.allowed_ips)
    yield from size_errors(editor)


def token_address_errors(allowed_ips: Iterable[str], editor: Editor) -> list[str]:
    """Returns the faults in the addresses of an editor's token, each as a text `field: problem`. An address must lie
    within `Editor.allowed_ips`."""
    allowed = tuple(allowed_ips)
    if problems := list(address_errors(allowed)):
        return problems
    outside = (address for address in allowed if not _is_within(address, editor.allowed_ips))
    return [f"allowed_ips: {address} is none of the editor's" for address in outside]


def _is_within(address: str, ranges: tuple[str, ...]) -> bool:
    inner = ip_network(address, strict=False)
    outer = [ip_network(text, strict=False) for text in ranges]
    return not outer or any(inner.version == one.version and inner.subnet_of(one) for one in outer)  # type: ignore[arg-type]
