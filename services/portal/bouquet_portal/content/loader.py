"""Reading and checking of all content files. A fault in one file makes the whole content invalid."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import Struct, field

from bouquet_portal.content import markdown
from bouquet_portal.content.model import (
    ANY_CODE,
    ANY_PROVIDER,
    Alert,
    Api,
    ApiUse,
    Badge,
    Category,
    Change,
    Content,
    ContentError,
    Heading,
    Level,
    Page,
    Profile,
    Text,
    UseCase,
    VersionNotes,
)

FOLDER = Path(__file__).parent

SECTIONS = {
    "Périmètre",
    "Ce que dit l'API",
    "Actualisation",
    "Modalités d'appel",
    "Questions et réponses",
    "Historique",
    "Conditions d'utilisation",
}
"""Headings allowed for the sections of a fiche (an API's page). A file with another heading is refused."""
QUESTIONS = "questions-et-reponses"
"""Anchor of the section with questions and answers in a fiche (an API's page). Each sub-heading in it is a question."""

YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Safe YAML loader: the fast one in C, if it is installed."""
PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
INCLUDE = re.compile(r"\{%\s*include:\s*([\w-]+)\s*%\}")
ADVICE_HEADING = re.compile(rf"\d{{5}}|{ANY_PROVIDER}\d{{3}}|{ANY_CODE}")
"""Pattern of the headings of advice on errors: one code (`37002`), a code of all providers (`XX002`), or `autre` for
all other codes."""
FILE = re.compile(r"---\n(.*?)\n---\n(.*)", re.DOTALL)

T = TypeVar("T")


class _AlertHead(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    title: str
    text: str
    begins: date = field(name="from")
    ends: date = field(name="until")


class _ApiHead(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    uid: str
    title: str
    provider: str
    summary: str
    position: int
    operations: tuple[str, ...] = ()
    old_uids: tuple[str, ...] = ()
    state_name: str | tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    badges: tuple[Badge, ...] = ()
    alerts: tuple[_AlertHead, ...] = ()


class _ApiUseHead(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    uid: str
    level: Level
    comment: str = ""


class _UseCaseHead(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str
    title: str
    audience: str = field(name="for")
    summary: str = ""
    position: int = 1000
    apis: tuple[_ApiUseHead, ...] = ()
    law: tuple[str, ...] = ()
    editors: tuple[str, ...] = ()
    seen_with: tuple[str, ...] = ()


class _CategoryHead(Struct, frozen=True, forbid_unknown_fields=True):
    category: str


class _PageHead(Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    anchor: str = ""


class _ProfileHead(Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    answer: str


class _NotesHead(Struct, frozen=True, forbid_unknown_fields=True):
    uid: str
    renamed: dict[str, str] = {}


class _ChangeHead(Struct, frozen=True, forbid_unknown_fields=True):
    date: date
    title: str
    scope: str = "general"


def load(variables: Mapping[str, str], folder: Path = FOLDER) -> Content:
    """Returns the content of a folder, with placeholders replaced by the values in `variables`. Raises a `ContentError`
    that lists every problem."""
    loader = _Loader(folder, variables)
    content = Content(
        apis=tuple(sorted(loader.all("apis", _api), key=lambda api: (api.position, api.title))),
        use_cases=tuple(sorted(loader.all("cas_usages", _use_case), key=lambda case: (case.position, case.title))),
        faq=loader.all("faq", _category),
        guide=loader.all("guide", _guide_section),
        legal={page.slug: page for page in loader.all("legal", _legal_page)},
        profiles=loader.all("eligibilite", _profile),
        version_notes={notes.uid: notes for notes in loader.all("versions", _notes)},
        advice={text.title: text for group in loader.all("erreurs", _advice) for text in group},
        changes=tuple(sorted(loader.all("changelog", _change), key=lambda change: change.date, reverse=True)),
    )
    loader.problems += _contradictions(content)
    if loader.problems:
        raise ContentError(loader.problems)
    return content


class _File(Struct, frozen=True):
    """Content file, with its placeholders replaced and the files that it includes inserted."""

    name: str
    """Path of the file without `.md`, relative to the folder for its kind of content, such as `apis`."""
    head: dict[str, Any]
    body: str

    def head_as(self, kind: type[T]) -> T:
        return msgspec.convert(self.head, kind)


class _Loader:
    """Reader of content files that collects the faults of all files."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._variables = variables
        self.problems: list[str] = []

    def all(self, kind: str, read: Callable[[_File], T]) -> tuple[T, ...]:
        """Calls `read` for each file in the folder `kind`, by file name, and returns the results. Faults in a file are
        added to `problems`."""
        return tuple(self._each(kind, read))

    def _each(self, kind: str, read: Callable[[_File], T]) -> Iterator[T]:
        for path in sorted((self._folder / kind).rglob("*.md")):
            name = path.relative_to(self._folder).as_posix()
            try:
                yield read(self._file(path, self._folder / kind))
            except (msgspec.ValidationError, yaml.YAMLError, ValueError, KeyError) as error:
                self.problems.append(f"{name}: {' '.join(str(error).split())}")

    def _file(self, path: Path, folder: Path) -> _File:
        match = FILE.fullmatch(self._completed(path.read_text(encoding="utf-8")))
        if match is None:
            raise ValueError("begins with no front matter between lines of ---")
        head = yaml.load(match[1], YAML_LOADER)
        if not isinstance(head, dict):
            raise ValueError("has a front matter without keys")
        return _File(path.relative_to(folder).with_suffix("").as_posix(), head, match[2])

    def _completed(self, text: str) -> str:
        """Returns a text with its placeholders replaced by their values and with the files that it includes
        inserted."""
        return PLACEHOLDER.sub(self._variable, INCLUDE.sub(self._included, text))

    def _included(self, match: re.Match[str]) -> str:
        path = self._folder / "common" / f"{match[1]}.md"
        if not path.is_file():
            raise ValueError(f"includes {match[1]}, which is not in common/")
        return path.read_text(encoding="utf-8").strip()

    def _variable(self, match: re.Match[str]) -> str:
        if match[1] not in self._variables:
            raise ValueError(f"has the unknown placeholder {match[1]}, not one of {', '.join(self._variables)}")
        return self._variables[match[1]]


def _api(file: _File) -> Api:
    head = file.head_as(_ApiHead)
    if head.uid != file.name:
        raise ValueError(f"has the uid {head.uid}, which is not its path")
    parts = markdown.split_at_headings(file.body, 2)
    if unknown := [section.title for section in parts.sections if section.title.replace("’", "'") not in SECTIONS]:
        raise ValueError(f"has the unknown headings {', '.join(unknown)}")
    if "incoming" not in head.badges and not head.operations:
        raise ValueError("names no operations")
    return Api(
        uid=head.uid,
        title=head.title,
        provider=head.provider,
        summary=head.summary,
        position=head.position,
        operations=head.operations,
        old_uids=head.old_uids,
        state_names=(head.state_name,) if isinstance(head.state_name, str) else head.state_name,
        keywords=head.keywords,
        badges=head.badges,
        alerts=tuple(Alert(one.title, markdown.html(one.text), one.begins, one.ends) for one in head.alerts),
        sections={section.anchor: section for section in parts.sections if section.anchor != QUESTIONS},
        questions=markdown.split_at_headings(_section_source(file.body, QUESTIONS), 3).sections,
    )


def _section_source(body: str, anchor: str) -> str:
    """Returns the Markdown under the second-level heading that has this anchor, or "" if there is none."""
    for part in re.split(r"(?m)^## ", body)[1:]:
        title, _, text = part.partition("\n")
        if markdown.slug(title) == anchor:
            return text
    return ""


def _use_case(file: _File) -> UseCase:
    head = file.head_as(_UseCaseHead)
    if head.id != file.name:
        raise ValueError(f"has the id {head.id}, which is not its name")
    parts = markdown.split_at_headings(file.body, 2)
    return UseCase(
        id=head.id,
        title=head.title,
        audience=head.audience,
        summary=head.summary,
        apis=tuple(ApiUse(use.uid, use.level, markdown.inline(use.comment)) for use in head.apis),
        law=tuple(map(markdown.inline, head.law)),
        editors=head.editors,
        seen_with=head.seen_with,
        position=head.position,
        introduction=parts.introduction,
        sections=parts.sections,
    )


def _category(file: _File) -> Category:
    title = file.head_as(_CategoryHead).category
    questions = markdown.split_at_headings(file.body, 2).sections
    if not questions:
        raise ValueError("has no question")
    return Category(title, markdown.slug(title), questions)


def _guide_section(file: _File) -> Page:
    head = file.head_as(_PageHead)
    return _page(file, head.title, head.anchor or markdown.slug(head.title))


def _legal_page(file: _File) -> Page:
    return _page(file, file.head_as(_PageHead).title, file.name)


def _profile(file: _File) -> Profile:
    head = file.head_as(_ProfileHead)
    return Profile(head.title, head.answer, _page(file, head.title, markdown.slug(head.title)))


def _notes(file: _File) -> VersionNotes:
    head = file.head_as(_NotesHead)
    if head.uid != file.name:
        raise ValueError(f"has the uid {head.uid}, which is not its path")
    return VersionNotes(head.uid, markdown.html(file.body), head.renamed)


def _advice(file: _File) -> tuple[Text, ...]:
    file.head_as(_PageHead)
    texts = markdown.split_at_headings(file.body, 2).sections
    if unknown := [text.title for text in texts if not ADVICE_HEADING.fullmatch(text.title)]:
        raise ValueError(f"has headings that are no error code: {', '.join(unknown)}")
    return texts


def _page(file: _File, title: str, slug: str) -> Page:
    rendered = markdown.render(file.body)
    headings = tuple(Heading(title, markdown.slug(title)) for title in markdown.headings(file.body, 2))
    return Page(slug, title, rendered.html, headings, rendered.plain)


def _change(file: _File) -> Change:
    head = file.head_as(_ChangeHead)
    if not file.name.startswith(head.date.isoformat()):
        raise ValueError("has another date than its name")
    return Change(file.name, head.date, head.scope, head.title, markdown.html(file.body))


def _contradictions(content: Content) -> Iterator[str]:
    """Yields a text for each contradiction between content files, such as a repeated uid."""
    uids = [api.uid for api in content.apis]
    yield from _repeated("uid", [*uids, *(old for api in content.apis for old in api.old_uids)])
    yield from _repeated("operation", [resource for api in content.apis for resource in api.operations])
    yield from _repeated("anchor of a question", [one.anchor for group in content.faq for one in group.questions])
    yield from _repeated("anchor of the guide", [section.slug for section in content.guide])
    for case in content.use_cases:
        for use in case.apis:
            if use.uid not in uids:
                yield f"cas_usages/{case.id}.md: names {use.uid}, which has no fiche"
    for uid in content.version_notes:
        if uid not in ("general", *uids):
            yield f"versions/{uid}.md: names {uid}, which has no fiche"
    for change in content.changes:
        if change.scope not in ("general", *uids):
            yield f"changelog/{change.slug}.md: names {change.scope}, which has no fiche"


def _repeated(what: str, values: Sequence[str]) -> Iterator[str]:
    for value in sorted({value for value in values if values.count(value) > 1}):
        yield f"the {what} {value} stands in several places"
