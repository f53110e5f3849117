"""Form in which a visitor describes a test case for the sandbox, instead of writing YAML."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import QueryDict
from msgspec import Struct

from bouquet_portal.bac_a_sable import answer_form, case_file, form
from bouquet_portal.bac_a_sable.case_file import Head
from bouquet_portal.bac_a_sable.cases import CallParameters, Case
from bouquet_portal.documents.model import ErrorCode, Operation

DATA, META = "payload.data", "payload.meta"
"""Paths of the answer's `data` and `meta` in a case file."""
HEAD = ("description", "person", "family")


class ProposedCase(Struct, frozen=True):
    """Test case that a visitor describes in the form. Its answer is `error` or, if `error` is None, `data` and
    `meta`."""

    operation: Operation
    """Operation that the test case calls, with only the parameters that a test case file may contain."""
    head: Head = Head()
    asked: CallParameters = {}
    data: Any = None
    meta: Any = None
    error: ErrorCode | None = None

    @property
    def text(self) -> str:
        """Text of the case file that describes this test case."""
        if self.error is not None:
            return case_file.text_of(self.head, self.asked, self.error.status, body_of(self.error))
        return case_file.text_of(self.head, self.asked, 200, case_file.payload_of(self.operation, self.data, self.meta))


def case_from_form(form_sent: QueryDict, operation: Operation, errors: Iterable[ErrorCode]) -> ProposedCase:
    """Returns the test case that a submitted form describes. `errors` are the operation's documented errors, which the
    form offers as answers."""
    head = Head(*(" ".join(form_sent.get(name, "").split())[: form.MAX_LENGTH] for name in HEAD))
    data = answer_form.data_from(operation.fields, form_sent, DATA)
    meta = answer_form.data_from(operation.meta, form_sent, META)
    error = next((one for one in errors if choice_of(one) == form_sent.get("answer")), None)
    return ProposedCase(operation, head, form.asked_by(operation, form_sent), data, meta, error)


def initial_case(operation: Operation, found: Case | None, errors: Iterable[ErrorCode]) -> ProposedCase:
    """Returns the test case with which the form is filled at first: `found`, or an empty one for None. `errors` are the
    operation's documented errors, which the form offers as answers."""
    if found is None:
        return ProposedCase(operation)
    head = Head(found.description, found.person, found.family)
    if found.status == 200:
        return ProposedCase(operation, head, found.parameters, found.payload.get("data"), found.payload.get("meta"))
    same = (one for one in errors if (one.code, one.status) == (found.code, found.status))
    return ProposedCase(operation, head, found.parameters, error=next(same, None))


def errors_of(operation: Operation, errors: Iterable[ErrorCode]) -> tuple[ErrorCode, ...]:
    """Returns the errors that are documented for the operation itself. Leaves out errors, such as a wrong token, that
    all operations may return."""
    return tuple(one for one in errors if operation.id in one.operation_ids)


def choice_of(error: ErrorCode) -> str:
    """Returns the value of the form's input `answer` for an error: its HTTP status and code, such as `404 37002`."""
    return f"{error.status} {error.code}"


def body_of(error: ErrorCode) -> Any:
    """Returns the JSON body of an answer with this error, in the form in which gateways send it."""
    detail = next((cause.detail for cause in error.causes), "")
    meta = {"meta": {"provider": error.provider}} if error.provider else {}
    return {"errors": [{"code": error.code, "title": error.title, "detail": detail, **meta}]}
