"""The worker of MSA, the social security of farmers: the quotient familial of farmers and their families.

Owner: team-msa. Upstream: the social-security hub (bouquet_hub). The MSA computes each quotient when it is asked, and
keeps no history.
"""

from __future__ import annotations

from functools import partial

from bouquet_hub.quotient import PUBLISHED, quotient_familial
from bouquet_hub.upstream import HubSettings, hub_tls, hub_upstream
from bouquet_proto.quotient_familial import PROBLEMS
from bouquet_worker import Authority, Upstream, Worker


class Settings(HubSettings, frozen=True, kw_only=True):
    """Settings of MSA's worker, from the environment variables `BOUQUET_MSA_*`."""


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
    """Declares the social-security hub as an upstream."""
    return hub_upstream("msa", "hub", settings)


worker.answers(*PUBLISHED)(quotient_familial)
