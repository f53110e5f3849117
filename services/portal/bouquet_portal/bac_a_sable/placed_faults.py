"""Faults of a proposed test case, each shown beside the input of the form that the fault concerns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from bouquet_portal.bac_a_sable.case_form import ProposedCase
from bouquet_portal.bac_a_sable.faults import in_french
from bouquet_portal.bac_a_sable.form import faults_by_parameter
from bouquet_portal.bac_a_sable.sandbox import Fault
from bouquet_portal.documents.model import ErrorCode

MISSING = re.compile(r"does not fit the schema at \S+ \(required: (.+)\)")
VIOLATED = re.compile(r"does not fit the schema at \S+ \((\w+)\)")
REFUSED = re.compile(r"unreachable.*: its parameters are refused \((.+)\)")
TEXTS = {
    "type": "Cette valeur n'a pas le bon type.",
    "anyOf": "Cette valeur n'est pas de celles que le schéma accepte.",
    "enum": "Cette valeur n'est pas de la liste permise.",
    "pattern": "Cette valeur n'a pas la forme attendue.",
    "format": "Cette valeur n'a pas la forme attendue.",
}
"""French text to show beside an input whose value does not fit the JSON Schema, by the schema's keyword."""


class PlacedFault(Struct, frozen=True):
    """Fault of a proposed test case, in French. `input_name` is the name of the form's input at fault, or "" for the
    test case as a whole."""

    input_name: str
    text: str


def place_faults(faults: Iterable[Fault], proposed: ProposedCase, errors: Iterable[ErrorCode]) -> Iterator[PlacedFault]:
    """Yields the faults of the test case `proposed`, in French, from the `faults` in the sandbox's report. A fault that
    concerns several inputs is yielded for each of them. `errors` are the documented errors."""
    # For a fault that quotes an error code, the text is the one of that error.
    details = {one.code: next((cause.detail for cause in one.causes), one.title) for one in errors}
    for fault in faults:
        yield from _placed(fault, proposed, details)


def _placed(fault: Fault, proposed: ProposedCase, details: Mapping[str, str]) -> Iterator[PlacedFault]:
    if missing := MISSING.fullmatch(fault.message):
        for name in missing[1].split(", "):
            yield PlacedFault(f"{fault.path}.{name}", "Il manque une valeur.")
    elif refused := REFUSED.fullmatch(fault.message):
        codes = refused[1].split(", ")
        body = {"errors": [{"code": code, "detail": details.get(code, "Paramètre refusé.")} for code in codes]}
        for name, texts in faults_by_parameter(proposed.operation, body, proposed.asked).items():
            yield from (PlacedFault(name, text) for text in texts)
    elif fault.path == "params":
        words = set(re.findall(r"[\w\[\]]+", fault.message))
        names = [one.name for one in proposed.operation.parameters if words & {one.name, one.name.removesuffix("[]")}]
        yield from (PlacedFault(name, in_french(fault.message)) for name in names or [""])
    else:
        violated = VIOLATED.fullmatch(fault.message)
        text = TEXTS.get(violated[1], "") if violated else ""
        yield PlacedFault(fault.path, text or in_french(fault.message))
