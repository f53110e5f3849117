"""`make portal-pictures`: the pictures of the portal in README.md and docs/operations/portal.md, taken from a portal on
the sandbox's cases."""

from __future__ import annotations

import base64
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Page, sync_playwright

from tests.portal.browser import DESKTOP, TEMPLATES, Screen, Tab, launched
from tests.portal.servers import GatewayServer, PortalServer
from tests.support.sandbox_gateway import token

API_URL = "https://api.bouquet.example"
"""Address of the gateway that examples on the pictures show."""
PHONE = Screen(390, "dark")
WEBP = """async ([png, quality]) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").drawImage(image, 0, 0);
  const blob = await canvas.convertToBlob({type: "image/webp", quality});
  return btoa(Array.from(new Uint8Array(await blob.arrayBuffer()), byte => String.fromCharCode(byte)).join(""));
}"""
"""JavaScript function that turns a PNG into a WebP image, both in base64."""
QUALITY = 0.86


def _as_it_opens(page: Page) -> None:
    """Does nothing: the picture shows the top of the page."""


def _called_without_two_scopes(page: Page) -> None:
    for scope in ("cnaf_allocataires", "cnaf_adresse"):
        page.locator(f"input[name=scope][value={scope}]").uncheck()
    page.get_by_role("button", name="Appeler le bac à sable").click()
    page.locator("#resultat").wait_for()
    page.locator("#resultat").evaluate("element => window.scrollTo(0, element.offsetTop - 24)")


class Picture(NamedTuple):
    name: str
    template: str
    screen: Screen = DESKTOP
    prepare: Callable[[Page], None] = _as_it_opens


PICTURES = (
    Picture("home", "home"),
    Picture("fiche", "fiche"),
    Picture("console", "console", prepare=_called_without_two_scopes),
    Picture("guide", "guide", Screen(1280, "dark")),
    Picture("phone", "operation", PHONE),
)


def main(folder: Path) -> None:
    """Writes each of `PICTURES` to `folder`, as a WebP image."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made, GatewayServer(Path(made) / "gateway") as gateway:
        own = {"sandbox_url": gateway.url, "sandbox_token": token(), "api_url": API_URL, "sandbox_api_url": API_URL}
        with PortalServer(Path(made) / "portal", gateway.url, **own) as portal, sync_playwright() as playwright:
            tab = Tab(launched(playwright))
            for picture in PICTURES:
                (folder / f"portal-{picture.name}.webp").write_bytes(_taken(tab, portal.url, picture))


def _taken(tab: Tab, url: str, picture: Picture) -> bytes:
    tab.show(picture.screen)
    tab.open(f"{url}{TEMPLATES[picture.template]}")
    picture.prepare(tab.page)
    png = base64.b64encode(tab.page.screenshot()).decode()
    return base64.b64decode(tab.page.evaluate(WEBP, [png, QUALITY]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
