"""MSA: the quotient familial of farmers and their families, 1 or 2 % of allocataires.  Owner: team-msa.

Upstream: the social-security hub, in its REST dialect (bouquet_hub). Its figures are of today; it keeps no history.
"""

from __future__ import annotations

from functools import partial

from bouquet_hub.quotient import PUBLISHED, quotient_familial
from bouquet_hub.upstream import HubSettings, hub_tls, hub_upstream
from bouquet_proto.quotient_familial import PROBLEMS
from bouquet_worker import Authority, Upstream, Worker


class Settings(HubSettings, frozen=True, kw_only=True):
    """Those of the hub, and nothing else."""


worker = Worker(
    "msa",
    Settings,
    owner="team-msa",
    authority=Authority("MSA", "10"),
    problems=PROBLEMS,
    checks=[partial(hub_tls, "msa")],
)


@worker.upstream
def hub(settings: Settings) -> Upstream:
    return hub_upstream("msa", "hub", settings)


worker.answers(*PUBLISHED)(quotient_familial)
