"""Types and rules that gateway, workers and registry share: messages, identities, failures, offers and validation.

The names in `__all__` are the public interface. Modules for a single purpose, such as `quotient_familial`,
`france_connect_session` or `registry_messages`, are not part of it: programs import them by their own names.
"""

from __future__ import annotations

from bouquet_proto.deadline import Deadline
from bouquet_proto.failures import FAILURES, Failure, Kind, absence
from bouquet_proto.identity import MODALITIES, Identifiant, Identite, Identity, Ine, NumeroAllocataire, Sexe
from bouquet_proto.limits import ReplyLimits
from bouquet_proto.messages import (
    Caller,
    Describe,
    Failed,
    Found,
    Lookup,
    NotFound,
    Parameter,
    Recorded,
    Rejected,
    Reply,
    Request,
    decode_reply,
    decode_request,
    encode,
)
from bouquet_proto.names import queue_of, worker_prefix
from bouquet_proto.offer import (
    Authority,
    Modality,
    Offer,
    Operation,
    People,
    Proof,
    ProofField,
    ProofSection,
    Retirement,
    operation,
    v2_operation,
)
from bouquet_proto.rules import Check

__all__ = [
    "FAILURES",
    "MODALITIES",
    "Authority",
    "Caller",
    "Check",
    "Deadline",
    "Describe",
    "Failed",
    "Failure",
    "Found",
    "Identifiant",
    "Identite",
    "Identity",
    "Ine",
    "Kind",
    "Lookup",
    "Modality",
    "NotFound",
    "NumeroAllocataire",
    "Offer",
    "Operation",
    "Parameter",
    "People",
    "Proof",
    "ProofField",
    "ProofSection",
    "Recorded",
    "Rejected",
    "Reply",
    "ReplyLimits",
    "Request",
    "Retirement",
    "Sexe",
    "absence",
    "decode_reply",
    "decode_request",
    "encode",
    "operation",
    "queue_of",
    "v2_operation",
    "worker_prefix",
]
