"""Workers for calls with a FranceConnect session, with their simulators."""

from __future__ import annotations

from bouquet_ants.simulator import simulator as ants_simulator
from bouquet_ants.worker import worker as ants
from bouquet_cnous.simulator import simulator as cnous_simulator
from bouquet_cnous.worker import worker as cnous
from bouquet_dsnj.simulator import simulator as dsnj_simulator
from bouquet_dsnj.worker import worker as dsnj
from bouquet_dss.simulator import simulator as dss_simulator
from bouquet_dss.worker import worker as dss
from bouquet_france_connect.simulator import simulator as france_connect_simulator
from bouquet_france_connect.worker import worker as france_connect
from bouquet_mesr.simulator import simulator as mesr_simulator
from bouquet_mesr.worker import worker as mesr
from tests.support import mesh as meshes

WORKERS = meshes.PROVIDERS | {
    "france_connect": (france_connect, france_connect_simulator),
    "dss": (dss, dss_simulator),
    "mesr": (mesr, mesr_simulator),
    "cnous": (cnous, cnous_simulator),
    "dsnj": (dsnj, dsnj_simulator),
    "ants": (ants, ants_simulator),
}
