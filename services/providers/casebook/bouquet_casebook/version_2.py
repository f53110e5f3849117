"""Answers of version 2 that are made from the case files of later versions. Each person thus needs only one file.

An operation of version 2 has a successor (`Retirement.successor`): the operation of a later version that asks the same
question. A worker's result is the same for both. A case of the successor is therefore converted back to the worker's
result, and the worker's function for version 2 shows that result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from bouquet_proto.offer import Operation
from bouquet_worker import PublishedOperation

Json: TypeAlias = dict[str, Any]


class ServedVersion2(Struct, frozen=True):
    """An operation of version 2, and its successor: the operation of a later version whose cases answer it."""

    published: PublishedOperation[Any]
    successor: Operation

    def body(self, payload: Raw, asked: Mapping[str, Any]) -> Raw:
        """Returns the data that version 2 publishes, made from the `payload` of a successor's case with status 200.
        `asked` holds the members of the worker's result that the question tells, such as the INE. Raises
        `msgspec.ValidationError` if the worker could have no such result."""
        data = msgspec.json.decode(payload, type=_Payload).data
        result = msgspec.convert({**asked, **missing_members(data), **data}, self.published.result)
        return Raw(msgspec.json.encode(self.published.view(result)))


class _Payload(Struct, frozen=True):
    data: Json


def answered_from_successors(
    operations: Mapping[str, Operation], published: Mapping[str, PublishedOperation[Any]]
) -> dict[str, ServedVersion2]:
    """Returns the operations of version 2 by id, each together with its successor: the operation of a later version
    whose cases can answer it."""
    # By FranceConnect the successor is the operation by civil status, since later versions show citizens less.

    by_path = {operation.path: operation for operation in operations.values()}
    result = {}
    for operation in operations.values():
        shown = published.get(operation.id)
        if shown and shown.result and operation.retirement:
            path = operation.retirement.successor.replace("/france_connect", "/identite")
            result[operation.id] = ServedVersion2(shown, by_path[path])
    return result


def missing_members(data: Json) -> Json:
    """Returns the members of a worker's result that `data`, published by a later version, has only in another form.
    These are the status of an entitlement, which `data` has as flags, and the status of a grant, which `data` has as
    provisional or not."""
    match data:
        case {"est_beneficiaire": False, "avec_participation": _}:
            return {"status": "non_beneficiaire_css"}
        case {"est_beneficiaire": True, "avec_participation": bool() as paid}:
            return {"status": f"beneficiaire_{'avec' if paid else 'sans'}_participation_financiere"}
        case {"est_beneficiaire": bool() as entitled}:
            return {"status": "beneficiaire" if entitled else "non_beneficiaire"}
        case {"echelon_bourse": {"echelon_bourse_regionale_provisoire": (True | False | None) as provisional}}:
            return {"statut_bourse": None if provisional is None else int(provisional)}
        case _:
            return {}
