"""Calls of version 2 about the people in the cases of later versions, from which the sandbox answers version 2."""

from __future__ import annotations

from typing import Any

from bouquet_casebook.cases import Case, read_folder
from bouquet_casebook.serve import sandbox
from bouquet_casebook.version_2 import answered_from_successors
from bouquet_proto.offer import Operation
from bouquet_worker import paris_today
from tests.support.people import V2_NAMES
from tests.support.sandbox_gateway import OURS

OFFERED = {operation.id: operation for offer in sandbox.offers() for operation in offer.operations}
FROM_SUCCESSORS = answered_from_successors(OFFERED, sandbox.published())
IN_V2 = {
    "nomNaissance": "nom",
    "prenoms": "prenom",
    "sexeEtatCivil": "sexe",
    "codeCogInseeCommuneNaissance": "lieuDeNaissance",
}
SEVERAL_NAMES = ("api_particulier_v2_cnav", "api_particulier_v2_cnous")


def found_for(operation: Operation) -> list[Case]:
    """Returns the cases with status 200 from which the sandbox can answer this version 2 operation. They are cases of
    the later operation that replaces it."""
    # Some are out of reach: version 2 has no parameter for a campaign or a perimeter, and mostly takes only one first
    # name.
    older = FROM_SUCCESSORS.get(operation.id)
    cases = read_folder(OURS / older.successor.folder, paris_today()).cases if older else ()
    return [case for case in cases if case.status == 200 and not _is_beyond(operation, case)]


def _is_beyond(operation: Operation, case: Case) -> bool:
    several = len(case.params.get("prenoms", ())) > 1 and not operation.id.startswith(SEVERAL_NAMES)
    return several or bool(case.params.keys() & {"campaignYear", "degreEtablissement"})


def in_v2(operation: Operation, params: dict[str, Any]) -> dict[str, Any]:
    """Translates the parameters of a case written for a later version into the names and formats of version 2."""
    if "cnav" in operation.id:
        return {V2_NAMES.get(name, name): value for name, value in params.items()}
    if "nomNaissance" not in params:
        return params
    year, month, day = (int(params[f"{part}DateNaissance"]) for part in ("annee", "mois", "jour"))
    born = f"{year}-{month:02d}-{day:02d}"
    kept = {name: value for name, value in params.items() if not name.endswith("DateNaissance")}
    named = {IN_V2.get(name, name): value for name, value in kept.items()}
    several = "cnous" in operation.id
    names = {"prenoms": " ".join(named.pop("prenom"))} if several else {"prenom": named.pop("prenom")[0]}
    return named | names | {"dateNaissance" if "men" in operation.id else "dateDeNaissance": born}
