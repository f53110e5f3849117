"""Chromium on pages of the portal: tabs that note requests and errors, and examine pages with axe."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Literal, NamedTuple

from playwright.sync_api import Browser, Page, Playwright, Request

CHROMIUM = shutil.which("chromium")
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
IS_THERE = bool(CHROMIUM) and AXE.is_file()
IS_REQUIRED = bool({"CI", "BOUQUET_REQUIRE_SERVICES"} & os.environ.keys())
PATIENCE_MS = 120_000

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""Tags of the axe rules that pages must keep."""
QUOTIENT = "api_particulier_v3_cnav_quotient_familial_with_civility"
TEMPLATES = {
    "home": "/",
    "catalogue": "/catalogue",
    "no result": "/catalogue?q=zygomatique",
    "fiche": "/catalogue/cnav/quotient_familial",
    "fiche to come": "/catalogue/cnav/foyer_rsa",
    "example": "/catalogue/cnav/quotient_familial/exemple?choix=1&avec=cnaf_adresse",
    "use cases": "/cas_usages",
    "use case": "/cas_usages/ccas",
    "guide": "/developpeurs",
    "reference": "/developpeurs/openapi",
    "operation": f"/developpeurs/openapi/{QUOTIENT}",
    "people": "/developpeurs/bac-a-sable",
    "person": "/developpeurs/bac-a-sable/personnes/maelys-le-gouadec",
    "situations": "/developpeurs/bac-a-sable/situations?q=boursier",
    "case": f"/developpeurs/bac-a-sable/cas/{QUOTIENT}/200_maelys",
    "console": f"/developpeurs/bac-a-sable/essayer/{QUOTIENT}?cas=200_maelys",
    "console by session": f"/developpeurs/bac-a-sable/essayer/{QUOTIENT.replace('civility', 'france_connect')}",
    "dossier": "/developpeurs/bac-a-sable/dossiers",
    "case form": f"/developpeurs/bac-a-sable/proposer?operation={QUOTIENT}",
    "proposal": f"/developpeurs/bac-a-sable/proposer/yaml?operation={QUOTIENT}",
    "errors of the sandbox": "/developpeurs/bac-a-sable/erreurs",
    "errors": "/developpeurs/erreurs?fournisseur=26",
    "error": "/developpeurs/erreurs/26015",
    "versions": "/developpeurs/versions",
    "version changes": "/developpeurs/versions/cnav/quotient_familial",
    "states": "/etat",
    "faq": "/faq?q=jeton",
    "changes": "/nouveautes",
    "eligibility": "/eligibilite?profil=entreprise-ou-particulier",
    "editor request": "/editeurs/referencement",
    "editor request stored": "/editeurs/referencement/envoye",
    "legal": "/accessibilite",
    "site map": "/plan-du-site",
    "missing": "/nothing-here",
}
"""Address of one page for each template."""


class Screen(NamedTuple):
    """Window of a browser: its width in pixels, and the colour scheme that the person prefers."""

    width: int
    theme: Literal["light", "dark"]

    def __str__(self) -> str:
        return f"{self.width}-{self.theme}"


DESKTOP, PHONE = Screen(1280, "light"), Screen(320, "dark")
SCREENS = (DESKTOP, PHONE)
"""Screens on which tests examine pages: each width and each colour scheme once. `make portal-audit` combines all."""


def launched(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


class Tab:
    """Tab in a browser context of its own. It keeps what the page open in it requested, and the messages and errors in
    its console."""

    def __init__(self, browser: Browser, screen: Screen = DESKTOP) -> None:
        # Without motion, colours change at once with the scheme; axe would else measure colours in transition.
        context = browser.new_context(reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        self.page: Page = context.new_page()
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", self._note)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.show(screen)

    def _note(self, request: Request) -> None:
        self.requested.append(request.url)

    def show(self, screen: Screen) -> None:
        """Gives the open page another width and colour scheme, without loading it again."""
        self.page.set_viewport_size({"width": screen.width, "height": 800})
        self.page.emulate_media(color_scheme=screen.theme)

    def open(self, url: str) -> None:
        self.requested.clear()
        self.complaints.clear()
        self.page.goto(url)

    def violations(self) -> list[str]:
        """Returns the accessibility errors that axe finds, each as the rule's name and the HTML of the element."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        options = {
            "runOnly": {"type": "tag", "values": TAGS},
            "rules": {"target-size": {"enabled": True}},
            "resultTypes": ["violations"],
        }
        found: Any = self.page.evaluate("async options => (await axe.run(document, options)).violations", options)
        return [f"{one['id']}: {node['html'][:150]}" for one in found for node in one["nodes"]]

    @property
    def is_too_wide(self) -> bool:
        """Whether the page scrolls sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))

    def requests_beyond(self, site: str) -> list[str]:
        """Returns the URLs that the page requested from other sites than `site`."""
        return [url for url in self.requested if not url.startswith((f"{site}/", "data:"))]

    def close(self) -> None:
        self.page.context.close()
