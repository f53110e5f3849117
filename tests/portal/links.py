"""All pages of a portal, found by following links from its home page."""

from __future__ import annotations

import fcntl
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import msgspec

from tests.portal.servers import Page

START = "/"
SAMPLED = (
    "/developpeurs/bac-a-sable/cas/",
    "/developpeurs/bac-a-sable/essayer/",
    "/developpeurs/bac-a-sable/personnes/",
    "/developpeurs/bac-a-sable/proposer?",
)
"""Prefixes of addresses, each shared by many similar pages. Only the first `SAMPLE` pages of each prefix are read."""
SAMPLE = 4


class _Reader(HTMLParser):
    """Parser that collects a page's links, ids and visible text."""

    def __init__(self, page: Page) -> None:
        super().__init__(convert_charrefs=True)
        self.hrefs: list[str] = []
        self.ids: set[str] = set()
        self.prose: list[str] = []
        """Visible texts of the page that are not code."""
        self._in_code = 0
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.hrefs.append(given["href"] or "")
        if given.get("id"):
            self.ids.add(given["id"] or "")
        self._in_code += tag in ("code", "pre", "script", "style", "textarea")

    def handle_endtag(self, tag: str) -> None:
        self._in_code -= tag in ("code", "pre", "script", "style", "textarea")

    def handle_data(self, data: str) -> None:
        if not self._in_code:
            self.prose.append(data)


class Site:
    """All pages that can be reached by links from the portal's home page."""

    def __init__(self, get: Callable[[str], Page]) -> None:
        """Reads the pages by `get`, which returns the page at a path."""
        self.pages: dict[str, Page] = {}
        self.links: dict[str, set[str]] = {}
        """Map from the path of each page to the addresses within the site to which it links, fragments included."""
        self.outside: set[str] = set()
        self._read: dict[str, _Reader] = {}
        self._counts: Counter[str] = Counter()
        waiting = [START]
        while waiting:
            path = waiting.pop()
            page = self.pages[path] = get(path)
            reader = self._read[path] = _Reader(page)
            self.links[path] = {urljoin(path, href) for href in reader.hrefs if ":" not in href.split("/")[0]}
            self.outside |= {href for href in reader.hrefs if ":" in href.split("/")[0]}
            known = {*self.pages, *waiting}
            new = sorted({urldefrag(link).url for link in self.links[path]} - known)
            waiting += [path for path in new if self._is_wanted(path)]

    def _is_wanted(self, path: str) -> bool:
        kind = next((one for one in SAMPLED if path.startswith(one)), "")
        self._counts[kind] += 1
        return not kind or self._counts[kind] <= SAMPLE

    @classmethod
    def kept_in(cls, file: Path, crawled: Callable[[], Site]) -> Site:
        """Returns the site that `file` keeps. The first process to need it crawls and writes the file; others
        wait for that."""
        with file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                site = crawled()
                file.write_bytes(msgspec.json.encode(site.pages))
                return site
        pages = msgspec.json.decode(file.read_bytes(), type=dict[str, Page])
        return cls(pages.__getitem__)

    @property
    def html(self) -> dict[str, Page]:
        """HTML pages of the site that exist, by path."""
        return {
            path: page
            for path, page in self.pages.items()
            if page.status == 200 and "html" in page.headers["content-type"]
        }

    def prose(self, path: str) -> str:
        return "\n".join(self._read[path].prose)

    def has(self, link: str) -> bool:
        """Reports whether a link leads to an existing page and, if it has a fragment, to an element of this page."""
        path, fragment = urldefrag(link)
        if path not in self.pages:
            return path.startswith(SAMPLED)
        return self.pages[path].status < 400 and (not fragment or unquote(fragment) in self._read[path].ids)
