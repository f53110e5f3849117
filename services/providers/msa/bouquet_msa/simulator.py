"""Simulator of the social-security hub for the MSA (the social security of farmers). `bouquet_hub.personas` holds the
simulated people and the birth names that cause errors."""

from __future__ import annotations

from functools import partial

from bouquet_hub.personas import MSA
from bouquet_hub.simulator import hub_app, hub_settings
from bouquet_worker.simulate import Simulator

simulator = Simulator(provider="msa", app=partial(hub_app, MSA), settings=partial(hub_settings, MSA))
