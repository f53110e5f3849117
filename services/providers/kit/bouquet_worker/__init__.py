"""Library for writing the worker of a provider. For its simulator, see also `bouquet_worker.simulate` and
`bouquet_worker.simulated_faults`; for its tests, `bouquet_worker.testing`."""

from __future__ import annotations

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import Seconds, SettingsError
from bouquet_mesh.tls.context import client_context
from bouquet_proto import (
    Authority,
    Caller,
    Check,
    Failed,
    Failure,
    Found,
    Identifiant,
    Identite,
    Identity,
    Ine,
    Kind,
    Modality,
    NotFound,
    NumeroAllocataire,
    Operation,
    Parameter,
    People,
    Proof,
    ProofField,
    ProofSection,
    Rejected,
    ReplyLimits,
    Retirement,
    Sexe,
    absence,
    operation,
    v2_operation,
    worker_prefix,
)
from bouquet_proto.letters import to_ascii
from bouquet_worker.answer import Answer
from bouquet_worker.auth import ApiKey, Auth, Bearer, ClientCredentials
from bouquet_worker.blank_and_dates import IsoDate, IsoDateOrBlank, day_of, day_or_none, none_if_blank
from bouquet_worker.errors import UpstreamError
from bouquet_worker.operations import InternalOperation, PublishedOperation, Question
from bouquet_worker.paris import PARIS, paris_today
from bouquet_worker.public import Public
from bouquet_worker.settings import ClientCredentialsSettings, WorkerSettings
from bouquet_worker.shapes import published_operation, view_of
from bouquet_worker.upstream import Upstream, UpstreamClient
from bouquet_worker.worker import Worker
from bouquet_worker.xml_documents import parse_xml

__all__ = [
    "PARIS",
    "Answer",
    "ApiKey",
    "Auth",
    "Authority",
    "Bearer",
    "Caller",
    "Check",
    "ClientCredentials",
    "ClientCredentialsSettings",
    "Failed",
    "Failure",
    "Found",
    "Identifiant",
    "Identite",
    "Identity",
    "Ine",
    "InternalOperation",
    "IsoDate",
    "IsoDateOrBlank",
    "Kind",
    "Modality",
    "NotFound",
    "NumeroAllocataire",
    "Operation",
    "Parameter",
    "People",
    "Proof",
    "ProofField",
    "ProofSection",
    "Public",
    "PublishedOperation",
    "Question",
    "Rejected",
    "ReplyLimits",
    "Retirement",
    "Seconds",
    "Secret",
    "SettingsError",
    "Sexe",
    "Upstream",
    "UpstreamClient",
    "UpstreamError",
    "Worker",
    "WorkerSettings",
    "absence",
    "client_context",
    "day_of",
    "day_or_none",
    "none_if_blank",
    "operation",
    "paris_today",
    "parse_xml",
    "published_operation",
    "to_ascii",
    "v2_operation",
    "view_of",
    "worker_prefix",
]
