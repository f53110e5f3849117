"""Simulated people whom the load asks about. A person's kind says what the providers know."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH
from tests.support.people import staged_query

FIRST_PROBE_NUMBER = 1_000_000_000
"""Number of the first person of health checks. The load numbers its people from 0 and never gets so far."""


PART = "asked"
"""Name of the part of a dossier about a simulated person."""


class Kind(Struct, frozen=True):
    """A kind of people. `answers` lists the right answers about a person of this kind, such as `200 CNAF`."""

    name: str
    birth_name: str
    answers: frozenset[str]
    share: int
    """Percentage of a load's people who are of this kind."""
    path: str = QUOTIENT_FAMILIAL_PATH


CRECHE = "/v3/dss/participation_familiale_eaje/identite"
RSA = "/v3/dss/revenu_solidarite_active/identite"
ENTITLED, NOT_ENTITLED = "200 entitled", "200 not entitled"

KINDS = (
    Kind("of the CAF", "CAF-FOUND", frozenset({"200 CNAF"}), 46),
    Kind("of the MSA", "MSA-FOUND", frozenset({"200 MSA"}), 16),
    Kind("of both", "CAF-FOUND MSA-FOUND", frozenset({"200 CNAF", "200 MSA"}), 6),
    Kind("of nobody", "CAF-NO-FILE", frozenset({"404 35003"}), 8),
    Kind("of a silent CAF and the MSA", "CAF-SLOW MSA-FOUND", frozenset({"200 MSA"}), 1),
    Kind("of a silent CAF, unknown to the MSA", "CAF-SLOW", frozenset(), 1),
    Kind("of a crèche", "CAF-FOUND", frozenset({"200"}), 8, CRECHE),
    Kind("of no crèche", "MSA-NO-FILE", frozenset({"404 10003"}), 2, CRECHE),
    Kind("with the RSA", "MSA-FOUND", frozenset({ENTITLED}), 8, RSA),
    Kind("without the RSA", "CAF-NOT-ENTITLED", frozenset({NOT_ENTITLED}), 4, RSA),
)
BY_NAME = {kind.name: kind for kind in KINDS}
ABSENCES = frozenset(answer for kind in KINDS for answer in kind.answers if answer.startswith("404"))
RECORDED = ABSENCES | {"200"}
"""Answers that disclose whether a provider knows a person, and must therefore be in the access journal."""


class Citizen(Struct, frozen=True):
    """Simulated person. The first names spell the person's number; the birth name tells the simulators what to
    answer."""

    number: int
    kind: Kind

    @property
    def first_names(self) -> str:
        return f"ALIX {_letters(self.number)}"

    def query(self) -> str:
        return urlencode(self._asked(), doseq=True, quote_via=quote)

    def dossier(self) -> bytes:
        """Returns the body of a dossier whose only part, `PART`, asks the same as `query`."""
        recipient, *person = self._asked().items()
        _, version, *resource, modality = self.kind.path.split("/")
        part = {"operation": "/".join(resource), "version": int(version[1:]), "modality": modality}
        identite = {name.removesuffix("[]"): value for name, value in person}
        return msgspec.json.encode({"recipient": recipient[1], "identite": identite, "resources": {PART: part}})

    def _asked(self) -> dict[str, Any]:
        return staged_query(self.kind.birth_name) | {"prenoms[]": self.first_names.split()}


def citizens(chance: random.Random, number: int = 0) -> Iterator[Citizen]:
    """Yields people without end, numbered from `number`, of random kinds."""
    shares = [kind.share for kind in KINDS]
    while True:
        [kind] = chance.choices(KINDS, shares)
        yield Citizen(number, kind)
        number += 1


def _letters(number: int) -> str:
    text = ""
    while True:
        number, letter = divmod(number, 26)
        text += string.ascii_uppercase[letter]
        if not number:
            return text
