"""Answers of version 2, made from the test case files of later versions."""
# An operation of version 2 has a successor (`Retirement.successor`): the operation of a later version that asks the
# same question. A worker's result is the same for both.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from bouquet_proto.offer import Operation
from bouquet_worker import PublishedOperation

Json: TypeAlias = dict[str, Any]


class ServedVersion2(Struct, frozen=True):
    """Operation of version 2, with its successor: the same operation in a later version. If the operation has no test
    cases of its own, the sandbox answers it from the successor's."""

    published: PublishedOperation[Any]
    successor: Operation

    def body(self, payload: Raw, asked: Mapping[str, Any]) -> Raw:
        """Converts a later version's answer, from a test case, to the data of version 2. `asked` holds fields that
        repeat the request, such as the INE. Raises `msgspec.ValidationError` if version 2 cannot express the answer."""
        data = msgspec.json.decode(payload, type=_Payload).data
        result = msgspec.convert({**asked, **missing_members(data), **data}, self.published.result)
        return Raw(msgspec.json.encode(self.published.view(result)))


class _Payload(Struct, frozen=True):
    data: Json


def answered_from_successors(
    operations: Mapping[str, Operation], published: Mapping[str, PublishedOperation[Any]]
) -> dict[str, ServedVersion2]:
    """Returns, by id, the operations of version 2 that can be answered from the test cases of a later version.
    `published` holds each operation with the function that converts a result to published data."""
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
    """Returns the fields that version 2 needs but later versions do not publish, such as the status of a grant. `data`
    is the data of a later version."""
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
