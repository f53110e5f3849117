"""The worker of eight social-security benefits. Owner: team-dss. Upstream: the social-security hub (bouquet_hub), with
a URL, an OAuth 2.0 client and a scope for each benefit (docs/reference/upstreams/hub.md, dss.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any, TypeAlias

from msgspec import Struct

from bouquet_dss import contract
from bouquet_dss.contract import NO_FILE_CNAF, NO_FILE_MSA, NO_FILE_RNCPS, Droit
from bouquet_dss.household import participation
from bouquet_dss.rights import entitlement, income_support_entitlement
from bouquet_dss.settings import Settings, hub_settings_of
from bouquet_dss.upstream import PPA_MAJORATIONS, RSA_MAJORATIONS, Allowance, ChildAllowance, HealthCover
from bouquet_hub.answers import Fund, refusal_of
from bouquet_hub.request import headers_of, query_of
from bouquet_hub.upstream import hub_upstream
from bouquet_worker import (
    Answer,
    Authority,
    Identite,
    NotFound,
    PublishedOperation,
    Question,
    Rejected,
    Upstream,
    UpstreamClient,
    Worker,
)

ABSENCES: Mapping[Fund, str] = {"CNAF": NO_FILE_CNAF, "MSA": NO_FILE_MSA, "RNCPS": NO_FILE_RNCPS}
Resource: TypeAlias = Droit | contract.ParticipationFamiliale


class Prestation(Struct, frozen=True):
    """Operations of one benefit, and the function that reads the social-security hub's answers about this benefit."""

    published: tuple[PublishedOperation[Any], ...]
    read: Callable[[Answer, date], Resource | NotFound]


PRESTATIONS = {
    "c2s": Prestation(contract.C2S, partial(entitlement, HealthCover)),
    "rsa": Prestation(contract.RSA, partial(income_support_entitlement, RSA_MAJORATIONS)),
    "ppa": Prestation(contract.PPA, partial(income_support_entitlement, PPA_MAJORATIONS)),
    "aah": Prestation(contract.AAH, partial(entitlement, Allowance)),
    "asf": Prestation(contract.ASF, partial(entitlement, Allowance)),
    "aeeh": Prestation(contract.AEEH, partial(entitlement, ChildAllowance)),
    "ars": Prestation(contract.ARS, partial(entitlement, ChildAllowance)),
    "eaje": Prestation(contract.EAJE, participation),
}
"""Maps the short name of each benefit, such as `rsa`, to its operations and the function that reads the answers. The
names of the benefit's settings begin with the short name, as in `rsa_url`."""


worker = Worker(
    "dss", Settings, owner="team-dss", authority=Authority("Sécurité sociale", "36"), problems=contract.PROBLEMS
)


def hub(name: str, settings: Settings) -> Upstream:
    """Declares the social-security hub as the upstream for the benefit `name`. Each benefit has an OAuth 2.0 token and
    a circuit breaker of its own."""
    return hub_upstream("dss", name, hub_settings_of(name, settings))


async def answer(
    prestation: Prestation, question: Question[Identite], hub: UpstreamClient
) -> Resource | NotFound | Rejected:
    """Asks the social-security hub about a person's benefit, and returns the entitlement or the household's data.
    Returns `NotFound` if no provider has a file about the person. Returns `Rejected` if the hub cannot identify the
    person or refuses the request. Raises `UpstreamError` for any other answer."""
    response = await hub.get(params=query_of(question.identity), headers=headers_of(question))
    return refusal_of(response, question.identity, ABSENCES) or prestation.read(response, question.today)


for _name, _prestation in PRESTATIONS.items():
    worker.upstream(partial(hub, _name), name=_name)
    worker.answers(*_prestation.published, asking=[_name])(partial(answer, _prestation))
