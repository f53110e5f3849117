"""Parsing of the query (step 5 in docs/architecture.md): the recipient, the person's identity and other parameters."""

from __future__ import annotations

from datetime import date

import msgspec
from msgspec import Struct

from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.offers.catalogue import ServedOperation
from bouquet_gateway.paths import Envelope
from bouquet_proto import france_connect_session
from bouquet_proto.identity import MODALITIES, Identite, Identity
from bouquet_proto.messages import Parameter
from bouquet_proto.normalisation import normalised_identity
from bouquet_proto.offer import Operation
from bouquet_proto.query import Query
from bouquet_proto.rules import RuleViolations, SharedResults, apply_rules, is_siret, refused_codes


class ParsedQuery(Struct, frozen=True):
    """Identity and parameters in a call's query, once they have passed the operation's validation rules."""

    identity: Identity
    parameters: dict[str, Parameter]


def recipient_of(query: Query, siret: str, envelope: Envelope) -> str:
    """Returns the SIRET of the administration that receives the data: the query's parameter `recipient`
    (docs/reference/contract.md §1.5.1). In v2, the default is `siret`, the SIRET of the caller's habilitation.

    Raises `Problem` if `recipient` is no SIRET or, in v3, is missing.
    """
    recipient = query.scalar("recipient")
    if recipient is None and envelope == "v2":
        recipient = siret
    if not isinstance(recipient, str) or not is_siret(recipient):
        raise Problem("00210")
    return recipient


def parse(
    served: ServedOperation, query: Query, today: date, citizen: Identite | None, shared: SharedResults | None
) -> ParsedQuery | Problem:
    """Returns the identity and the parameters of a lookup, or a `Problem` if a value is wrong. `citizen` is the
    identity from a FranceConnect session; `None` without a session.

    `shared` keeps results of validation rules for other lookups of the same dossier; `None` for a single call.
    """
    citizen = citizen and normalised_identity(citizen)
    if citizen is not None and (problem := _problem_of(citizen, served.operation, today)):
        return problem
    values = apply_rules(served.operation.checks, query, today, shared)
    if isinstance(values, RuleViolations):
        return Problem(*values.codes)
    if citizen is not None:
        return ParsedQuery(citizen, values)
    modality = MODALITIES[served.operation.modality]
    others = values.keys() - set(modality.__struct_fields__)
    return ParsedQuery(msgspec.convert(values, modality), {name: values[name] for name in others})


def _problem_of(citizen: Identite, operation: Operation, today: date) -> Problem | None:
    """Checks a citizen's identity from FranceConnect against the operation's rules. Returns the error for the caller,
    or `None` if the operation can use the identity."""
    # A fault of the pivot does not name its field, which the caller cannot correct: the identity is unusable.
    if refused_codes(operation.pivot, citizen, today):
        return Problem(france_connect_session.IDENTITY_UNUSABLE, authority=france_connect_session.AUTHORITY)
    codes = refused_codes(operation.identity_checks, citizen, today)
    return Problem(*codes) if codes else None
