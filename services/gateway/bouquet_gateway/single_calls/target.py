"""Choice of the operation for one lookup of a dossier (several lookups in one request), or for a tool of the Model
Context Protocol."""

from __future__ import annotations

from datetime import date

from msgspec import Struct

from bouquet_gateway.offers.catalogue import Match, OperationFamily, ServedOperation
from bouquet_gateway.single_calls.parameters import Value, Values
from bouquet_proto.offer import Operation, People

CIVIL_STATUS_MODALITY = "identite"
"""Modality (way to identify the person) of operations that identify a person by civil status (name, birth and sex)."""
SESSION_MODALITY = "france_connect"
"""Modality (way to identify the person), and last part of the path, of operations that need a citizen's FranceConnect
session."""


class Target(Struct, frozen=True, kw_only=True):
    """Operation called for one lookup of a dossier (several lookups in one request), or for a tool of the Model Context
    Protocol."""

    path: str
    match: Match | None
    """Operation found at `path`. `None` if no worker has described it to the gateway yet; the call then gets an
    error."""

    @property
    def served(self) -> ServedOperation | None:
        return self.match.served if self.match else None

    @property
    def operation(self) -> Operation | None:
        return self.served.operation if self.served else None

    @property
    def by_session(self) -> bool:
        """Whether the operation needs a citizen's FranceConnect session."""
        return self.match.by_session if self.match else self.path.endswith(f"/{SESSION_MODALITY}")

    @property
    def is_by_civil_status(self) -> bool:
        return self.operation is None or self.operation.modality == CIVIL_STATUS_MODALITY

    def people_at(self, path: str) -> People | None:
        """Returns which fields hold the civil status of the people at `path` in the data, such as each child at
        `enfants`. Returns `None` if the operation declares no such fields there."""
        # The result is also `None` if one field holds both the family name and the first names.
        people = self.operation.people if self.operation else ()
        return next((one for one in people if one.at == path and one.nom != one.prenoms), None)

    def parameters_for(self, person: Values) -> dict[str, Value]:
        """Converts a person's values from canonical fields (such as `nom_naissance`) to the operation's query
        parameters. Leaves out values that the operation does not take."""
        names = self.served.parameter_names if self.served else {}
        return {names[field]: value for field, value in person.items() if field in names}


def newest_version(family: OperationFamily, today: date) -> int:
    """Returns the number of an operation's newest version that is not deprecated. If all versions are deprecated,
    returns the highest number."""
    current = (version for version, served in family.versions.items() if not _is_deprecated(served[0], today))
    return max(current, default=max(family.versions))


def _is_deprecated(served: ServedOperation, today: date) -> bool:
    retirement = served.operation.retirement
    return retirement is not None and date.fromisoformat(retirement.deprecated_on) <= today
