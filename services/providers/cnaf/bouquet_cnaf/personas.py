"""Invented families of the CAF's simulated SOAP service, and the service's answers.

The file number and the postal code of a question decide the answer:

- A key of `PERSONAS` gets the document or the return code of its entry.
- With the postal code 00000, the file number is the return code. For example, 00221 gets 221, a technical incident.
- With the postal code 00500, the file number chooses a fault: 00001 INTERNAL, 00002 RATE_LIMITED, 00003 UNAVAILABLE,
  00004 GATEWAY_TIMEOUT, 00005 HTML, 00006 TRUNCATED, 00007 EMPTY, 00008 REDIRECT, 00009 SLOW or 00010 CUT.
- Anything else has no file, and gets the return code 133.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from bouquet_worker.simulate import Fault


class Key(NamedTuple):
    numero: str
    code_postal: str


class PersonOfFile(NamedTuple):
    name: str
    born: str
    """Date of birth, `ddMMyyyy`."""
    sex: Literal["F", "M"]


Mime: TypeAlias = Literal["plain", "crlf", "doubled", "unclosed"]
"""Variant of the MIME message in which the simulator answers, for tests of the worker's parser. In `doubled`, blank
lines are doubled; `unclosed` lacks the closing boundary (docs/reference/upstreams/cnaf.md §3)."""


class Dossier(Struct, frozen=True, kw_only=True):
    """File of an invented family at the CAF: people, address and quotient familial."""

    story: str = ""
    persons: tuple[PersonOfFile, ...]
    children: tuple[PersonOfFile, ...] = ()
    lines: tuple[str, str, str, str, str, str, str]
    """Seven lines of the address; unused lines are empty."""
    quotient: str | None
    """Quotient familial in whole euros, as text; `None` for a file without a quotient."""
    month: tuple[int, int] | None = None
    """Year and month of the quotient familial; `None` for the month before the current one."""
    mime: Mime = "plain"


class Retour(Struct, frozen=True):
    """Simulated answer of the CAF without a document: the return code and its label."""

    code: int
    label: str
    story: str = ""
    mime: Mime = "plain"


SimulatedAnswer: TypeAlias = Dossier | Retour | Fault

UNKNOWN = Retour(133, "Dossier allocataire inexistant. Le document ne peut être édité.")
_OTHER = ("", "")
PERSONAS: dict[Key, SimulatedAnswer] = {
    Key("4471820", "29200"): Dossier(
        story="Couple with two children, every line of the address",
        persons=(PersonOfFile("MAELYS KERVENNIC", "14061989", "F"), PersonOfFile("YANN KERVENNIC", "05011987", "M")),
        children=(PersonOfFile("LOUISE KERVENNIC", "11082019", "F"), PersonOfFile("EWEN KERVENNIC", "09052022", "M")),
        lines=(
            "Madame MAELYS KERVENNIC",
            "APPARTEMENT 14",
            "BATIMENT LES AJONCS",
            "3 RUE DU FOUR A PAIN",
            "LE PILIER ROUGE",
            "29200 BREST",
            "FRANCE",
        ),
        quotient="612",
    ),
    Key("51209", "35000"): Dossier(
        story="Alone, without children, a short number and a short address; blank lines doubled",
        persons=(PersonOfFile("ARMAND TALVARD", "02101971", "M"),),
        lines=("Monsieur ARMAND TALVARD", *_OTHER, "19 RUE DE DINAN", "", "35000 RENNES", "FRANCE"),
        quotient="1034",
        mime="doubled",
    ),
    Key("3390456", "31000"): Dossier(
        story="A quotient of zero; the closing boundary is missing",
        persons=(PersonOfFile("ISAURE PEYREFITTE", "30081993", "F"),),
        children=(PersonOfFile("TIMOTHE PEYREFITTE", "01022021", "M"),),
        lines=("Madame ISAURE PEYREFITTE", *_OTHER, "6 RUE DES BLANCHERS", "", "31000 TOULOUSE", "FRANCE"),
        quotient="0",
        mime="unclosed",
    ),
    Key("6083317", "44000"): Dossier(
        story="A file without a quotient for the month",
        persons=(PersonOfFile("COLINE AUBRAIS", "17121990", "F"),),
        lines=("Madame COLINE AUBRAIS", *_OTHER, "2 QUAI DE LA FOSSE", "", "44000 NANTES", "FRANCE"),
        quotient=None,
        mime="crlf",
    ),
    Key("2207719", "72000"): Retour(
        101, "Dossier radié. Le document ne peut être édité.", story="Struck off", mime="unclosed"
    ),
    Key("0000354", "99148"): Dossier(
        story="The file for which health checks ask (docs/reference/upstreams/cnaf.md §7)",
        persons=(PersonOfFile("CAMILLE SENTINELLE", "01011980", "F"),),
        lines=("Madame CAMILLE SENTINELLE", *_OTHER, "1 RUE DU GUET", "", "99148 VEILLE", "FRANCE"),
        quotient="700",
    ),
}
FAULTS: dict[Key, SimulatedAnswer] = {Key(f"{number:05}", "00500"): fault for number, fault in enumerate(Fault, 1)}
POSTAL_CODE_OF_CODES = "00000"


def answer_to(files: Mapping[Key, SimulatedAnswer], key: Key) -> SimulatedAnswer:
    """Returns the simulator's answer about a file number and a postal code (`key`), as described at the top of this
    module. `files` holds the answers for families' files, usually `PERSONAS`."""
    if key.code_postal == POSTAL_CODE_OF_CODES:
        return Retour(int(key.numero), f"Anomalie {int(key.numero)}.")
    return files.get(key) or FAULTS.get(key) or UNKNOWN
