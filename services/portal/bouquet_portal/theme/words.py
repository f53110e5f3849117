"""French words for keys in the gateway's documents, such as `france_connect`."""

from __future__ import annotations

MODALITIES = {
    "identite": "État civil",
    "france_connect": "FranceConnect",
    "ine": "INE",
    "identifiant": "Identifiant",
}
"""French names of the ways to identify a person, by the last part of an operation's path, such as `ine`."""

STATES = {
    "ok": "Disponible",
    "bad_gateway": "Perturbée",
    "maintenance": "En maintenance",
    "unknown": "État inconnu",
}
"""French words for the states of an API, by the gateway's name for the state."""


def modality_name(modality: str) -> str:
    return MODALITIES.get(modality, modality.replace("_", " ").capitalize())
