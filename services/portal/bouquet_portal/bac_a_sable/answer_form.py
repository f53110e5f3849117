"""Form in which a visitor writes the data of an answer: an input for each field of the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from django.utils.datastructures import MultiValueDict
from msgspec import UNSET, Struct

from bouquet_portal.bac_a_sable.case_file import Computed
from bouquet_portal.bac_a_sable.form import MAX_LENGTH, MAX_VALUES, MIN_INPUTS
from bouquet_portal.documents.model import Field

Shape = Literal["objects", "object", "texts", "choice", "text"]
PLACEHOLDER = re.compile(r"\{(annee|mois|rentree)([+-]\d+)?\}")
"""Pattern of the placeholders for numbers that the sandbox computes on the day of a call. `{annee-1}` is last year, and
`{rentree}` the year in which the current school year began."""
TRUE_OR_FALSE = (("true", "vrai"), ("false", "faux"))
"""Choices for a field that is true or false: the value and the French label of each."""


class Entry(Struct, frozen=True):
    """Field of an answer in the form, with its values and error texts. An object or a list of objects also has entries
    for the fields inside."""

    field: Field
    path: str
    """Path of the field in a case file, and name of the HTML input, such as `payload.data.enfants[0].sexe`."""
    texts: tuple[str, ...] = ()
    children: tuple[Entry, ...] = ()
    """Entries for the fields of a single object; empty for any other field."""
    items: tuple[tuple[Entry, ...], ...] = ()
    """Entries for the fields of each object in a list; empty if the field is not a list of objects."""
    faults: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        if self.field.children:
            return "objects" if self.field.is_list else "object"
        if self.field.is_list:
            return "texts"
        return "choice" if self.choices else "text"

    @property
    def id(self) -> str:
        return id_of(self.path)

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        """Values that the field accepts, each with its label; empty if the field accepts any text."""
        return TRUE_OR_FALSE if self.field.kind == "vrai ou faux" else tuple((one, one) for one in self.field.choices)

    def walk(self) -> Iterator[Entry]:
        """Yields the entry, then the entries of all fields inside its field, at any depth."""
        yield self
        for entries in (self.children, *self.items):
            for entry in entries:
                yield from entry.walk()


def id_of(path: str) -> str:
    """Returns the HTML id of the form's entry for the field at `path`, such as `payload.data.sexe`."""
    return f"r-{re.sub('[^a-zA-Z0-9_]+', '-', path).strip('-')}"


def entries(
    fields: Iterable[Field], data: Any, faults: Mapping[str, list[str]], path: str, longer: str = ""
) -> tuple[Entry, ...]:
    """Returns the form's entries for `fields`, the fields of the object at `path`. `data` holds their values, and
    `faults` the error texts by path.

    `longer` is the path of a list that gets one more object, with blank inputs.
    """
    members = data if isinstance(data, dict) else {}
    return tuple(_entry(one, members.get(one.name), faults, f"{path}.{one.name}", longer) for one in fields)


def _entry(field: Field, value: Any, faults: Mapping[str, list[str]], path: str, longer: str) -> Entry:
    own = Entry(field, path, faults=tuple(faults.get(path, ())))
    values = value if isinstance(value, list) else []
    match own.shape:
        case "objects":
            shown = [*(values or [None]), *([None] if path == longer else [])]
            items = (
                entries(field.children, item, faults, f"{path}[{number}]", longer) for number, item in enumerate(shown)
            )
            return msgspec.structs.replace(own, items=tuple(items))
        case "object":
            return msgspec.structs.replace(own, children=entries(field.children, value, faults, path, longer))
        case "texts":
            blanks = ("",) * max(1, MIN_INPUTS - len(values))
            return msgspec.structs.replace(own, texts=(*map(_shown, values), *blanks))
        case _:
            return msgspec.structs.replace(own, texts=(_shown(value),))


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case Computed():
            return value.text
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


def data_from(fields: Iterable[Field], sent: MultiValueDict[str, str], path: str) -> dict[str, Any]:
    """Returns the data of the object at `path`, as a visitor has entered them in the form. A blank field is null if the
    schema requires it and allows null. Other blank fields are left out."""
    # Blank objects in lists are left out too.
    found = {one.name: _value(one, sent, f"{path}.{one.name}") for one in fields}
    return {name: value for name, value in found.items() if value is not UNSET}


def _value(field: Field, sent: MultiValueDict[str, str], path: str) -> Any:
    if field.is_list and field.children:
        items = (data_from(field.children, sent, f"{path}[{number}]") for number in range(_count_objects(sent, path)))
        return [item for item in items if not _is_blank(item)]
    blank = None if field.may_be_null and field.is_required else UNSET
    if field.children:
        value = data_from(field.children, sent, path)
        return blank if _is_blank(value) and (field.may_be_null or not field.is_required) else value
    texts = [one.strip()[:MAX_LENGTH] for one in sent.getlist(path)[:MAX_VALUES]]
    if field.is_list:
        return [_typed(one, field.kind.removeprefix("liste de ")) for one in texts if one]
    return _typed(texts[0], field.kind) if texts and texts[0] else blank


def _count_objects(sent: Collection[str], path: str) -> int:
    """Returns the number of submitted objects in the list at `path`, at most `MAX_VALUES`."""
    # An input named `payload.data.enfants[2].sexe` shows that `payload.data.enfants` has three objects.
    numbers = (re.match(r"\[(\d{1,3})\]", name[len(path) :]) for name in sent if name.startswith(f"{path}["))
    return min(MAX_VALUES, max((int(found[1]) + 1 for found in numbers if found), default=0))


def _typed(text: str, kind: str) -> Any:
    """Converts the text of an input to a JSON value of the type `kind`, such as `nombre entier`. Returns the text
    itself if the conversion is impossible."""
    if kind.startswith(("texte", "date")):
        return text
    if kind.startswith("nombre") and PLACEHOLDER.fullmatch(text):
        return Computed(text)
    # Not `json.loads`, which accepts NaN, and halves of characters that no page or file can contain.
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _is_blank(value: Any) -> bool:
    match value:
        case dict():
            return all(map(_is_blank, value.values()))
        case list():
            return not value
        case _:
            return value is None
