"""Template filters of the sandbox explorer."""

from __future__ import annotations

from collections.abc import Mapping

from django import template
from django.urls import reverse

from bouquet_portal.bac_a_sable.case_form import DATA
from bouquet_portal.bac_a_sable.explorer import OperationCase

register = template.Library()


@register.filter
def case_url(operation_case: OperationCase) -> str:
    """Returns the address of the page about a test case of the sandbox."""
    return reverse("sandbox_case", args=[operation_case.operation.id, operation_case.case.name])


@register.filter
def header(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name, "")


@register.filter
def field_path(path: str) -> str:
    """Returns the path of a field in a case file without the beginning `payload.data.`."""
    return path.removeprefix(f"{DATA}.")
