"""Links in the head and foot of every page."""

from __future__ import annotations

from collections.abc import Collection

from django.urls import reverse
from msgspec import Struct


class Link(Struct, frozen=True):
    label: str
    url: str
    is_current: bool = False
    """Whether the link leads to the current page or, if no link does, to the nearest page above it."""


HEAD: tuple[tuple[str, str], ...] = (
    ("catalogue", "Catalogue"),
    ("use_cases", "Cas d'usage"),
    ("guide", "Documentation"),
    ("sandbox", "Bac à sable"),
    ("faq", "FAQ"),
    ("states", "État du service"),
)
"""Route and label of each link at the top of every page."""
DEVELOPERS: tuple[tuple[str, str], ...] = (
    ("guide", "Guide"),
    ("reference", "Référence"),
    ("errors", "Codes d'erreur"),
    ("versions", "Versions"),
    ("sandbox", "Bac à sable"),
)
"""Route and label of each link in the menu that only pages for developers have."""
FOOT: tuple[tuple[str, str], ...] = (
    ("eligibility", "Suis-je éligible ?"),
    ("reference", "Référence des API"),
    ("errors", "Codes d'erreur"),
    ("versions", "Versions"),
    ("changes", "Nouveautés"),
    ("editor_request", "Référencer un logiciel"),
    ("site_map", "Plan du site"),
    ("accessibilite", "Accessibilité : non conforme"),
    ("mentions-legales", "Mentions légales"),
    ("cgu", "Conditions d'utilisation"),
    ("donnees_personnelles", "Données personnelles"),
)
"""Route and label of each link at the bottom of every page."""


def links(table: tuple[tuple[str, str], ...], path: str, *, without: Collection[str] = ()) -> list[Link]:
    """Returns the links in `table`, pairs of route and label, without the routes in `without`. Marks as current the
    link to the page `path`. If no link leads there, marks the nearest page above: on `/faq/jeton`, the link to
    `/faq`."""
    made = [(label, reverse(route)) for route, label in table if route not in without]
    around = [url for _, url in made if path == url or path.startswith(f"{url}/")]
    return [Link(label, url, url == max(around, key=len, default="")) for label, url in made]
