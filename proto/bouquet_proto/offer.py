"""What a worker says of itself: everything the gateway needs to serve it without knowing it.

An offer is generated from the provider's declarations, kept in `proto/offers/`, and asked over the bus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from bouquet_proto.failures import Failure
from bouquet_proto.limits import USUAL, ReplyLimits
from bouquet_proto.rules import Check
from bouquet_proto.schemas import schema_of

Modality: TypeAlias = Literal["identite", "france_connect", "ine", "identifiant", "numero_allocataire"]
"""How the person is named. `france_connect`: by the citizen's own session, which gives an `Identite`."""


class Authority(Struct, frozen=True):
    """Who speaks in an error: `meta.provider` and the two digits that open its codes
    (docs/reference/contract.md §3.2)."""

    label: str
    prefix: str


class Retirement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The announced end of an operation: the days of `Deprecation` (RFC 9745) and `Sunset` (RFC 8594)."""

    deprecated_on: str
    sunset_on: str = ""
    successor: str = ""


class People(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the data of an operation names people: for the access journal, which keeps whom an answer was about."""

    at: str = ""
    """Dotted path of the object, or the list of objects, that names them; empty for the data itself."""
    nom: str = "nom_naissance"
    prenoms: str = "prenoms"
    """A text or a list of texts; the first word counts. The same as `nom` where one field holds both."""
    naissance: tuple[str, ...] = ("date_naissance",)
    """One field, `YYYY-MM-DD` or `DDMMYYYY`; or three, of the year, the month and the day."""


class Operation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One path of the public contract."""

    id: str
    """Unique on the bus: the operation id of the official document where it has one of its own."""
    path: str
    modality: Modality
    summary: str
    scopes: tuple[str, ...]
    """A caller needs one of them."""
    fields: dict[str, tuple[str, ...]]
    """Dotted path of a field (lists are walked through) to the scopes that open it: one of them, and `a&b` is one that
    takes both. What no path leads to is open, and stands in `open_fields`."""
    open_fields: tuple[str, ...] = ()
    """Dotted paths of what every caller of the operation sees."""
    checks: tuple[tuple[Check, ...], ...]
    """Stages: all failures of a stage are told together, a stage is reached when those before it passed."""
    pivot: tuple[Check, ...] = ()
    """Of `france_connect`: what the citizen's identity must pass, besides what every session's has. Whatever fails, one
    refusal is told, before those of `checks`: that FranceConnect's identity is unusable."""
    reasons: tuple[str, ...] = ()
    """What it may answer besides the failures common to every provider."""
    schema: dict[str, Any]
    """JSON schema (2020-12) of `data`, without references."""
    example: Any = None
    people: tuple[People, ...] = ()
    cache_s: int = 0
    plan: Literal["", "regime"] = ""
    """`regime`: two providers answer it, and the gateway decides whose answer is the right one."""
    authority: Authority | None = None
    """Who speaks in its errors, where it is not the provider itself."""
    retirement: Retirement | None = None
    public_id: str = ""
    """Operation id of the official document where `id` is not: v2 has one id for all the modalities of a path."""
    resource: str = ""
    """What FranceConnect calls it, where it is not the path's segment before the modality."""
    gated: bool = False
    """Whether its data holds objects that say themselves, in `$any`, which scopes open them."""
    reply: ReplyLimits = USUAL
    """How much data one answer may hold; a gateway refuses more, and an operation that asks for more than
    `limits.MAX_REPLY_BYTES` and `MAX_REPLY_ELEMENTS`."""
    status: str = ""
    """Its name among the statuses (`/api/{status}/ping`), which operations of one upstream may share; where it is not
    that of its path. See `told_as`."""

    @property
    def folder(self) -> str:
        """Its name in the official document and in the sandbox."""
        return self.public_id or self.id

    @property
    def france_connect_resource(self) -> str:
        return self.resource or self.path.split("/")[-2]

    @property
    def told_as(self) -> str:
        """Its name among the statuses: `/v3/acme/dossier/identifiant` is `acme_dossier_identifiant`. Empty for a path
        without version that is given none: it has no status."""
        _, version, *rest = self.path.split("/")
        return self.status or ("_".join(rest) if version[:1] == "v" else "")


def unlisted_fields(operation: Operation) -> tuple[str, ...]:
    """Fields of the schema that neither `fields` nor `open_fields` names: they would be open because somebody forgot
    them."""
    named = {*operation.fields, *operation.open_fields}
    return tuple(dict.fromkeys(_unlisted(operation.schema, named, "")))


def _unlisted(schema: Mapping[str, Any], named: Set[str], path: str) -> Iterator[str]:
    """Through lists and nullables, as scopes are. What a path names, it names whole."""
    items = schema.get("items")
    inner = [*schema.get("anyOf", ()), *schema.get("prefixItems", ()), *([items] if isinstance(items, Mapping) else ())]
    if path in named or schema.get("type") == "null":
        return
    if properties := schema.get("properties"):
        for name, field in properties.items():
            yield from _unlisted(field, named, f"{path}.{name}".lstrip("."))
    elif inner:
        for one in inner:
            yield from _unlisted(one, named, path)
    else:
        yield path


def operation(*, data: type[Struct], fields: dict[str, tuple[str, ...]], **rest: Any) -> Operation:
    """An operation whose schema is that of its resource's struct; `rest` are the other fields of `Operation`."""
    return Operation(schema=schema_of(data, fields), fields=fields, **rest)


V2_SUFFIXES: dict[Modality, str] = {"ine": "_with_ine", "france_connect": "_with_france_connect"}


def v2_operation(public_id: str, modality: Modality, *, becomes: str, **rest: Any) -> Operation:
    """One modality of a v2 path. `becomes` is the path of its successor, up to the modality, whose status it shares.

    The official document flags all of v2 as deprecated and tells no day. Both are ours: that of the edition we follow,
    and a school year more than the retired versions of v3 and v4 have.
    """
    _, _, *resource = becomes.split("/")
    defaults = {"status": "_".join((*resource, modality))}
    return operation(
        id=public_id + V2_SUFFIXES.get(modality, ""),
        public_id=public_id,
        modality=modality,
        resource=resource[-1],
        retirement=Retirement(deprecated_on="2026-04-28", sunset_on="2028-09-01", successor=f"{becomes}/{modality}"),
        **defaults | rest,
    )


class Offer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    provider: str
    owner: str
    authority: Authority
    operations: tuple[Operation, ...]
    problems: dict[str, Failure] = {}
    """The provider's own rows of the failure table, by reason."""
    documents: dict[str, Any] = {}
    """JSON that a gateway publishes for anybody, by path under `/api/`: a running worker's public keys."""

    def authority_of(self, operation: Operation) -> Authority:
        return operation.authority or self.authority
