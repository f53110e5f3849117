"""French labels for the codes in answers of the SIV, the State's register of vehicles (docs/reference/upstreams/ants.md
§6)."""

from __future__ import annotations

_PASSENGERS = "Véhicule de transport de personnes comportant"
_GOODS = "Véhicule de transport de marchandises"
_TRAILER = "Remorque ou semi-remorque"

CATEGORIES: dict[str, str] = {
    "M1": f"{_PASSENGERS} au maximum 8 places assises outre le siège du conducteur",
    "M2": f"{_PASSENGERS} plus de 8 places assises outre le siège du conducteur, de 5 tonnes au plus",
    "M3": f"{_PASSENGERS} plus de 8 places assises outre le siège du conducteur, de plus de 5 tonnes",
    "N1": f"{_GOODS} de 3,5 tonnes au plus",
    "N2": f"{_GOODS} de plus de 3,5 tonnes et de 12 tonnes au plus",
    "N3": f"{_GOODS} de plus de 12 tonnes",
    "O1": f"{_TRAILER} de 0,75 tonne au plus",
    "O2": f"{_TRAILER} de plus de 0,75 tonne et de 3,5 tonnes au plus",
    "O3": f"{_TRAILER} de plus de 3,5 tonnes et de 10 tonnes au plus",
    "O4": f"{_TRAILER} de plus de 10 tonnes",
    "L1e": "Cyclomoteur à deux roues",
    "L2e": "Cyclomoteur à trois roues",
    "L3e": "Motocycle à deux roues",
    "L4e": "Motocycle à deux roues avec side-car",
    "L5e": "Tricycle à moteur",
    "L6e": "Quadricycle léger à moteur",
    "L7e": "Quadricycle lourd à moteur",
}
"""French labels of the European categories of vehicles (code de la route, article R. 311-1), by code."""

KINDS: dict[str, str] = {
    "VP": "Voiture Particulière",
    "CTTE": "Camionnette",
    "VASP": "Véhicule Automoteur Spécialement Aménagé",
    "TCP": "Transport en Commun de Personnes",
    "TRR": "Tracteur Routier",
    "CAM": "Camion",
    "REM": "Remorque",
    "RESP": "Remorque Spécialisée",
    "SRAT": "Semi-remorque Avant-Train",
    "SREM": "Semi-remorque",
    "CL": "Cyclomoteur",
    "CYCL": "Cyclomoteur carrossé à 3 roues",
    "MTL": "Motocyclette Légère",
    "MTT1": "Motocyclette",
    "MTT2": "Motocyclette",
    "MOTO": "Motocyclette",
    "MAGA": "Machine Agricole Automotrice",
    "QM": "Quadricycle à Moteur",
    "TRA": "Tracteur Agricole",
}
"""French labels of the national kinds of vehicles, by code."""

_PLUG_IN, _HYBRID = "(hybride rechargeable)", "(hybride non rechargeable)"
_DUAL = "Mélange de gazole et gaz naturel (dual fuel)"

FUELS: dict[str, str] = {
    "AC": "Air comprimé",
    "EE": f"Essence-électricité {_PLUG_IN}",
    "EG": "Bicarburation essence-GPL",
    "EH": f"Essence-électricité {_HYBRID}",
    "EL": "Électricité",
    "EM": f"Bicarburation essence-gaz naturel et électricité {_PLUG_IN}",
    "EN": "Bicarburation essence-gaz naturel",
    "EP": f"Bicarburation essence-gaz naturel et électricité {_HYBRID}",
    "EQ": f"Bicarburation essence-GPL et électricité {_HYBRID}",
    "ER": f"Bicarburation essence-GPL et électricité {_PLUG_IN}",
    "ES": "Essence",
    "ET": "Éthanol",
    "FE": "Superéthanol",
    "FG": "Bicarburation superéthanol-GPL",
    "FH": f"Superéthanol-électricité {_HYBRID}",
    "FL": f"Superéthanol-électricité {_PLUG_IN}",
    "FN": "Bicarburation superéthanol-gaz naturel",
    "GA": "Gazogène",
    "GE": "Mélange gazogène-essence",
    "GF": _DUAL,
    "GG": "Mélange gazogène-gazole",
    "GH": f"Gazole-électricité {_HYBRID}",
    "GL": f"Gazole-électricité {_PLUG_IN}",
    "GM": f"{_DUAL} et électricité {_PLUG_IN}",
    "GN": "Gaz naturel",
    "GO": "Gazole",
    "GP": "Gaz de pétrole liquéfié (GPL)",
    "GQ": f"{_DUAL} et électricité {_HYBRID}",
    "GZ": "Autres hydrocarbures gazeux comprimés",
    "H2": "Hydrogène",
    "HE": f"Hydrogène-électricité {_PLUG_IN}",
    "HH": f"Hydrogène-électricité {_HYBRID}",
    "NE": f"Gaz naturel-électricité {_PLUG_IN}",
    "NH": f"Gaz naturel-électricité {_HYBRID}",
    "PE": f"Monocarburation GPL-électricité {_PLUG_IN}",
    "PH": f"Monocarburation GPL-électricité {_HYBRID}",
    "PL": "Pétrole lampant",
}
"""French labels of fuels and sources of energy (arrêté du 9 février 2009, annexe VI), by code."""
