"""Offer of a worker: the description of its provider and operations, which gateways request over the bus."""
# It is generated from the provider's declarations, and kept in `proto/offers/`.

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from hashlib import sha256
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct

from bouquet_proto.failures import Failure
from bouquet_proto.limits import DEFAULT_LIMITS, ReplyLimits
from bouquet_proto.rules import Check
from bouquet_proto.schemas import UnknownFieldError, schema_of

Modality: TypeAlias = Literal["identite", "france_connect", "ine", "identifiant", "numero_allocataire"]
"""Way to identify the person. For `france_connect`, the gateway gets an `Identite` from the citizen's FranceConnect
session."""


def digest_of(offer: bytes) -> str:
    """Returns the SHA-256, in hexadecimal, of an encoded offer (a worker's description of its operations). Gateways
    send the digest in `Describe.offer`."""
    return sha256(offer).hexdigest()


class Authority(Struct, frozen=True):
    """Administration that errors name as their source, such as the CNAF. `label` is its name in `meta.provider`, and
    `prefix` the first two digits of its error codes (docs/reference/contract.md §3.2)."""

    label: str
    prefix: str


AUTHORITY_PREFIXES: Mapping[str, str] = {
    "00": "the platform",
    "01": "INSEE",
    "10": "MSA",
    "23": "CNAF",
    "24": "France Travail",
    "25": "MESRI",
    "26": "CNOUS",
    "30": "MEN",
    "31": "GIP-MDS",
    "35": "CNAF & MSA",
    "36": "Sécurité sociale",
    "37": "CNAV",
    "39": "DSNJ",
    "40": "RNCPS",
    "41": "SDH",
    "42": "ANTS",
    "51": "FranceConnect",
}
"""Names of the administrations that errors name, by the first two digits of their error codes
(docs/reference/contract.md §3.2). `00` is Bouquet itself."""


class Retirement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Announced end of an operation, with days as `YYYY-MM-DD`. From `deprecated_on`, callers should no longer use the
    operation; from `sunset_on`, they cannot rely on it. The days become the response headers `Deprecation` (RFC 9745)
    and `Sunset` (RFC 8594)."""

    deprecated_on: str
    sunset_on: str = ""
    successor: str = ""
    """Path of the operation that replaces the retired one; empty if no operation does."""


class People(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Place in an operation's data where people are named, and the fields there with their names and birth dates. The
    access journal records these people."""

    at: str = ""
    """Dotted path, in the operation's data, of an object that describes a person, or of a list of such objects. Empty
    if the data itself is the object or list."""
    nom: str = "nom_naissance"
    """Name of the field that holds the family name."""
    prenoms: str = "prenoms"
    """Name of the field that holds a person's first names, as a text or a list of texts. If one field holds the full
    name, set both `nom` and `prenoms` to the name of this field."""
    naissance: tuple[str, ...] = ("date_naissance",)
    """Name of the field that holds the birth date, as `YYYY-MM-DD` or `DDMMYYYY`. Alternatively, names of three fields,
    for year, month and day."""


ShownPart: TypeAlias = Literal["whole", "initials", "month", "sex"]
"""Extent to which a proof shows a field: `whole` for all of it, `initials` for the first three letters of a name.
`month` shows the month and year of a date, `sex` the French word for `F` or `M`."""

SHOWN_PARTS: tuple[str, ...] = get_args(ShownPart)


class ProofField(Struct, frozen=True):
    """Field of an answer that a proof shows. A proof is an encrypted text by which anyone can verify later what an
    answer said."""

    label: str
    """French label of the field, such as `Nom de naissance`."""
    at: str
    """Dotted path of the field within the object that the section shows. In a section at `allocataires`, for example,
    `nom_naissance` stands for `allocataires.nom_naissance`."""
    shown: str = "whole"
    """Extent to which the proof shows the field: one of the values of `ShownPart`. A gateway that does not know the
    value makes no proofs for the operation."""
    # Not of that type: a gateway that lacks a later value must still read the rest of the offer.


class ProofSection(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Section of a proof, an encrypted text by which anyone can verify later what an answer said. The section shows one
    object in the operation's data, or each object of a list."""

    title: str
    at: str
    """Dotted path of the object or list in the operation's data."""
    fields: tuple[ProofField, ...] = ()
    count: str = ""
    """French label of the number of objects, such as `Nombre d'enfants`. If set, the section shows only this number,
    not the objects' `fields`."""
    document: tuple[ProofField, ...] = ()
    """Fields that the section shows, in place of `fields`, in the proof's PDF file. If empty, the file shows `fields`
    too."""
    # Only the caller gets the file.


class Proof(Struct, frozen=True, kw_only=True):
    """Content of a proof: its title, and the parts of an operation's answer that it shows. A proof is an encrypted text
    by which anyone who has it can verify for five years what the answer said. Fields outside the caller's scopes are
    left out."""

    title: str
    """French title of the proof, such as `Attestation de quotient familial`."""
    sections: tuple[ProofSection, ...]

    def paths(self) -> Iterator[str]:
        """Yields the dotted path, in the operation's data, of each object and field that the proof shows. The proof is
        an encrypted text by which its holder can verify later what an answer said."""
        for section in self.sections:
            yield section.at
            yield from (f"{section.at}.{field.at}" for field in (*section.fields, *section.document))


class Operation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Operation of the public contract: one path, with one way to identify the person (`modality`)."""

    id: str
    """Id of the operation, unique among all providers; usually the id in API Particulier's OpenAPI document."""
    # Several operations of version 2 have the same id in that document (`public_id`).
    path: str
    modality: Modality
    summary: str
    scopes: tuple[str, ...]
    """Scopes that allow a call of the operation. A caller needs at least one of them."""
    fields: dict[str, tuple[str, ...]]
    """Scopes that give access to each field, by the field's dotted path. A caller needs one of the entries in the
    field's list; an entry `a&b` requires both scopes, `a` and `b`.

    The path `enfants.nom` stands for the field `nom` of every item of the list `enfants`. Fields that need no scope are
    listed in `open_fields` instead.
    """
    open_fields: tuple[str, ...] = ()
    """Dotted paths of the fields that every caller of the operation sees, whatever the caller's scopes."""
    meta_fields: tuple[str, ...] = ()
    """Fields of the worker's data that the gateway puts into the answer's `meta` instead of its `data`. Without effect
    in version 2."""
    checks: tuple[tuple[Check, ...], ...]
    """Validation rules for the query, in stages. A stage runs only if the earlier stages found no fault; all faults
    found in one stage are reported together."""
    pivot: tuple[Check, ...] = ()
    """Further validation rules for an identity from FranceConnect (*identité pivot*), applied before `checks`. Any
    fault is reported as an unusable identity."""
    identity_checks: tuple[Check, ...] = ()
    """Further validation rules for an identity from FranceConnect, applied after `pivot`. Each fault is reported with
    its own code."""
    reasons: tuple[str, ...] = ()
    """Reasons of failure that replies of this operation may give, in addition to those that every provider may give."""
    schema: dict[str, Any]
    """JSON schema (2020-12) of the data in a reply, without `$ref`."""
    example: Any = None
    people: tuple[People, ...] = ()
    proof: Proof | None = None
    """Content of the proof that a caller may request by the header `X-Generate-Proof`. A proof is an encrypted text by
    which anyone can verify later what an answer said. `None` if the operation has no proof."""
    cache_s: int = 0
    """Seconds for which a gateway may cache an answer; 0 forbids caching."""
    plan: Literal["", "regime"] = ""
    """Rule by which the gateway chooses between the answers of several providers: `regime` for CAF and MSA. Empty if
    only one provider serves the operation."""
    authority: Authority | None = None
    """Administration that the operation's errors name. `None` if they name the administration of the whole offer
    (`Offer.authority`)."""
    retirement: Retirement | None = None
    public_id: str = ""
    """Id of the operation in API Particulier's OpenAPI document; empty if the same as `id`."""
    # In that document, all operations at a path of version 2 share one id.
    resource: str = ""
    """Name of the operation's resource in messages to FranceConnect's worker, such as `statut_etudiant`. If empty, the
    name is the second-to-last segment of `path`."""
    gated: bool = False
    """Whether the data may contain objects that only some callers may see. The key `$any` of such an object lists
    scopes. A caller with none of these scopes gets `{}` instead of the object."""
    reply: ReplyLimits = DEFAULT_LIMITS
    """Limits on the data in one reply. A worker may choose limits up to `limits.MAX_REPLY_BYTES` and
    `limits.MAX_REPLY_ELEMENTS`."""
    status: str = ""
    """Name of the operation in `/api/{status}/ping`, a path that tells whether the operation's upstream works. If
    empty, `status_name` makes the name from `path`. Operations of the same upstream may share a name."""

    @property
    def folder(self) -> str:
        """Returns the name of the folder with the operation's test cases: the id in API Particulier's OpenAPI
        document."""
        return self.public_id or self.id

    @property
    def by_session(self) -> bool:
        """Whether the person is identified by a FranceConnect session instead of query parameters."""
        return self.modality == "france_connect"

    @property
    def parameter_names(self) -> Mapping[str, str]:
        """Names of the query parameters that the operation's rules read, by canonical field (the field's name inside
        Bouquet, such as `nom_naissance`)."""
        checks = (check for stage in self.checks for check in stage)
        return {field: name for check in checks for field, name in check.parameter_names.items()}

    @property
    def france_connect_resource(self) -> str:
        """Returns the name of the operation's resource in messages to FranceConnect's worker, such as
        `statut_etudiant`."""
        return self.resource or self.path.split("/")[-2]

    @property
    def status_name(self) -> str:
        """Returns the name of the operation in `/api/{status}/ping`, such as `acme_dossier_identifiant` for the path
        `/v3/acme/dossier/identifiant`.

        Returns "" for an operation without a ping: the path has no version, and `status` is empty.
        """
        _, version, *rest = self.path.split("/")
        return self.status or ("_".join(rest) if version[:1] == "v" else "")


def unlisted_fields(operation: Operation) -> tuple[str, ...]:
    """Returns the dotted paths of the schema's fields that appear neither in `fields` nor in `open_fields` of the
    operation. An offer with such a field is wrong, since every caller would see the field."""
    named = {*operation.fields, *operation.open_fields}
    return tuple(dict.fromkeys(_unlisted(operation.schema, named, "")))


def _unlisted(schema: Mapping[str, Any], named: Set[str], path: str) -> Iterator[str]:
    """Yields the dotted paths of the fields in `schema` that `named` does not list. For an object or list, the fields
    inside it are examined instead, unless `named` lists the object itself. Each result begins with `path`, the path of
    `schema`."""
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
    """Returns an operation whose JSON schema is made from the struct `data` and the scopes in `fields`. `rest` holds
    all other fields of `Operation`. Raises `TypeError` for an unknown field, an unknown modality (way to identify the
    person), or a value of a wrong type."""
    # A wrong type is, for example, a text in place of a tuple of texts.
    name = rest.get("id", data.__name__)
    if (modality := rest.get("modality")) not in get_args(Modality):
        raise TypeError(f"{name}: modality {modality!r} must be one of {', '.join(get_args(Modality))}")
    try:
        made = Operation(schema=schema_of(data, fields), fields=fields, **rest)
    except UnknownFieldError as error:
        raise TypeError(f"{name}: `fields` names {error}") from None
    try:
        msgspec.json.decode(msgspec.json.encode(made), type=Operation)
    except msgspec.ValidationError as error:
        raise TypeError(f"{name}: {error}; a tuple of one item ends in a comma") from None
    return made


V2_SUFFIXES: dict[Modality, str] = {"ine": "_with_ine", "france_connect": "_with_france_connect"}
"""Endings of the ids of v2 operations, by modality (way to identify the person)."""
# The endings make the ids unique, since all v2 operations at a path share one public id.


def v2_operation(public_id: str, modality: Modality, *, becomes: str, **rest: Any) -> Operation:
    """Returns a v2 operation for one modality (way to identify the person), with the announced dates of its end.
    `becomes` is the path of the v3 operation that replaces it, without the last segment: `/v3/acme/dossier` for
    `/v3/acme/dossier/identite`. `rest` holds further fields of `Operation`."""
    # The two share their name in `/api/{status}/ping`. The official document gives no dates for the end of v2, so these
    # are Bouquet's own: deprecated on the date of the contract's edition, and ended one school year later than the
    # retired versions of v3 and v4.
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
    """Description of a provider and its operations, which the provider's worker sends to gateways."""

    provider: str
    owner: str
    """Team or organisation that runs the worker."""
    authority: Authority
    operations: tuple[Operation, ...]
    problems: dict[str, Failure] = {}
    """Rows that the provider adds to the failure table (`failures`), by reason."""
    documents: dict[str, Any] = {}
    """JSON documents that gateways publish for the worker, such as its public keys. The key is the document's path
    under `/api/`."""

    def authority_of(self, operation: Operation) -> Authority:
        """Returns the administration that an operation's errors name: the operation's own `authority` or, without one,
        the `authority` of the whole offer."""
        return operation.authority or self.authority
