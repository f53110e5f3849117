"""Structs for the portal's content, such as pages of APIs (fiches), use cases and legal texts. `loader.py` reads them
from Markdown files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Literal

from msgspec import Struct

Badge = Literal["beta", "incoming", "novelty", "new_version", "deprecated"]
Level = Literal["indispensable", "utile", "injustifiee"]
"""Degree to which a use case needs an API: `indispensable` (needed), `utile` (useful) or `injustifiee` (not
justified)."""


ANY_PROVIDER = "XX"
"""Letters in place of the provider's two digits in an error code: advice on `XX002` is for the code 002 of each
provider."""
ANY_CODE = "autre"
"""Heading of the advice on all error codes that have no advice of their own."""


class ContentError(Exception):
    """Error that lists all faults in the content files, each with the name of its file."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Text(Struct, frozen=True):
    """Section of a page, with its heading."""

    title: str
    anchor: str
    html: str
    plain: str
    """Text of the section without Markdown marks, for the site's search."""


class Alert(Struct, frozen=True):
    """Notice on the page of an API (fiche), shown from the day `begins` until the day `ends`."""

    title: str
    html: str
    begins: date
    ends: date

    def is_shown(self, today: date) -> bool:
        return self.begins <= today <= self.ends


class Api(Struct, frozen=True):
    """Texts on the page of an API (fiche). The parameters and fields on the page come from the gateway's documents."""

    uid: str
    title: str
    provider: str
    summary: str
    position: int
    operations: tuple[str, ...]
    """Resource paths of the API's operations, such as `dss/quotient_familial`. One path stands for all versions and
    ways to identify a person."""
    old_uids: tuple[str, ...]
    state_names: tuple[str, ...]
    """Names under which the gateway's `/api/pings` lists the health of the API."""
    keywords: tuple[str, ...]
    badges: tuple[Badge, ...]
    alerts: tuple[Alert, ...]
    sections: Mapping[str, Text]
    """Sections of the page by their anchors, such as `perimetre`."""
    questions: tuple[Text, ...]

    @property
    def is_incoming(self) -> bool:
        return "incoming" in self.badges


class ApiUse(Struct, frozen=True):
    """API in a use case (a purpose of a public service). `level` is the degree to which the use case needs the API."""

    uid: str
    level: Level
    comment: str


class UseCase(Struct, frozen=True):
    id: str
    title: str
    audience: str
    summary: str
    apis: tuple[ApiUse, ...]
    law: tuple[str, ...]
    editors: tuple[str, ...]
    seen_with: tuple[str, ...]
    position: int
    introduction: str
    """HTML of the text before the first section."""
    sections: tuple[Text, ...]


class Category(Struct, frozen=True):
    """Category of questions in the FAQ, with its questions."""

    title: str
    anchor: str
    questions: tuple[Text, ...]


class Heading(Struct, frozen=True):
    title: str
    anchor: str


class Page(Struct, frozen=True):
    """Legal page, or one section of the developer guide."""

    slug: str
    title: str
    html: str
    headings: tuple[Heading, ...]
    """Second-level headings in the text."""
    plain: str


class Profile(Struct, frozen=True):
    """Kind of organisation, such as a town, with the answer whether such organisations may use the service."""

    title: str
    answer: str
    """Short answer whether these organisations may use the service, such as `oui, sous condition` or `non`."""
    page: Page


class VersionNotes(Struct, frozen=True):
    """Notes for developers who move from an older version of an API to the newest one."""

    uid: str
    html: str
    renamed: Mapping[str, str]
    """New path of each renamed field, by its former path. Renamings that the portal detects by itself are not
    listed."""


class Change(Struct, frozen=True):
    """Entry of the changelog. `scope` is the uid of the API that has changed, or `general`."""

    slug: str
    date: date
    scope: str
    title: str
    html: str


class Content(Struct, frozen=True, eq=False):
    apis: tuple[Api, ...]
    use_cases: tuple[UseCase, ...]
    faq: tuple[Category, ...]
    guide: tuple[Page, ...]
    legal: Mapping[str, Page]
    profiles: tuple[Profile, ...]
    advice: Mapping[str, Text]
    """Advice on errors, by error code. The key `XX002` stands for the code 002 of all providers, and `autre` for all
    codes without other advice."""
    version_notes: Mapping[str, VersionNotes]
    """Notes for developers who move to a newer version of an API, by the API's uid. The key `general` has the notes
    that concern all APIs."""
    changes: tuple[Change, ...]
    """Entries of the changelog, newest first."""

    def api(self, uid: str) -> Api | None:
        return next((api for api in self.apis if api.uid == uid), None)

    def advice_on(self, code: str) -> Text | None:
        """Returns the advice on an error code, or None if there is none. For `37002`, tries the keys `37002`, `XX002`
        (all providers) and `autre` (all codes), in this order."""
        names = (code, f"{ANY_PROVIDER}{code[2:]}", ANY_CODE)
        return next((self.advice[name] for name in names if name in self.advice), None)

    def successor(self, old_uid: str) -> Api | None:
        """Returns the API that formerly had the uid `old_uid`, or None if no API had it."""
        return next((api for api in self.apis if old_uid in api.old_uids), None)
