"""Version 2 answered from the cases of its successors, so that a person is written once.

A path of version 2 is the same question as its successor's (`Retirement.successor`), and its worker shows one result in
both. A case of the successor is read as that result, and shown by the worker's own view.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from bouquet_proto.offer import Operation
from bouquet_worker import PublishedOperation

Json: TypeAlias = dict[str, Any]


class Older(Struct, frozen=True):
    """An operation of version 2, and whose cases it is answered from."""

    published: PublishedOperation[Any]
    successor: Operation

    def body(self, payload: Raw, asked: Mapping[str, Any]) -> Raw:
        """What version 2 shows of a 200 of the successor, with the gates that a gateway opens. `asked`: what the person
        is asked by. Raises `msgspec.ValidationError` for a case that is no result of the worker's."""
        data = msgspec.json.decode(payload, type=_Payload).data
        result = msgspec.convert({**asked, **untold(data), **data}, self.published.result)
        return Raw(msgspec.json.encode(self.published.view(result)))


class _Payload(Struct, frozen=True):
    data: Json


def answered_from_successors(
    operations: Mapping[str, Operation], published: Mapping[str, PublishedOperation[Any]]
) -> dict[str, Older]:
    """The operations of version 2 among them, by id. A citizen's successor is the one by civil status: from v3 on
    FranceConnect shows less of them."""
    by_path = {operation.path: operation for operation in operations.values()}
    result = {}
    for operation in operations.values():
        shown = published.get(operation.id)
        if shown and shown.result and operation.retirement:
            path = operation.retirement.successor.replace("/france_connect", "/identite")
            result[operation.id] = Older(shown, by_path[path])
    return result


def untold(data: Json) -> Json:
    """The members of a result that its successor shows in other words: of a right, whether there is one, and of a
    grant, whether it is provisional."""
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
