"""Forms of the portal, filled and sent as a browser without JavaScript does."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from html.parser import HTMLParser
from urllib.parse import urlencode

from tests.portal.servers import Page, PortalServer
from tests.support.waiting import TEST_TIMEOUT_S


class _Reader(HTMLParser):
    """Parser that reads the first form with the method `post` on a page."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: list[tuple[str, str]] = []
        self._in_form = self._is_read = False
        self._select = self._text = ""
        self._typed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = {name: value or "" for name, value in attrs}
        if tag == "form" and own.get("method") == "post" and not self._is_read:
            self._in_form, self.action = True, own.get("action", "")
        if not self._in_form or not own.get("name") and tag != "option":
            return
        is_off = own.get("type") in ("checkbox", "radio") and "checked" not in own
        if tag == "input" and not is_off:
            self.fields.append((own["name"], own.get("value", "")))
        elif tag == "select":
            self._select = own["name"]
        elif tag == "option" and "selected" in own:
            self.fields.append((self._select, own.get("value", "")))
        elif tag == "textarea":
            self._text, self._typed = own["name"], []

    def handle_data(self, data: str) -> None:
        if self._text:
            self._typed.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text:
            self.fields.append((self._text, "".join(self._typed)))
            self._text = ""
        elif tag == "form" and self._in_form:
            self._in_form, self._is_read = False, True


class Form:
    """A form on a page of the portal. Its fields begin with the values that the page contains."""

    def __init__(self, portal: PortalServer, path: str) -> None:
        self._portal = portal
        page = portal.get(path)
        assert page.status == 200, path
        reader = _Reader()
        reader.feed(page.text)
        self.page = page
        self.fields = reader.fields
        self._path = reader.action.partition("#")[0] or path
        self._cookie = page.headers.get("set-cookie", "").partition(";")[0]

    def without(self, *removed: tuple[str, str]) -> Form:
        """Removes fields, given as name and value, as a browser does for checkboxes that are unticked."""
        self.fields = [field for field in self.fields if field not in removed]
        return self

    def fill(self, **values: str) -> Form:
        return self.fill_all((name, value) for name, value in values.items())

    def fill_all(self, values: Iterable[tuple[str, str]]) -> Form:
        """Replaces the fields that `values` names. A name may occur several times, as for checkboxes."""
        given = list(values)
        names = {name for name, _ in given}
        self.fields = [field for field in self.fields if field[0] not in names] + given
        return self

    def send(self, *, forged: bool = False, source: str = "127.0.0.1") -> Page:
        """Sends the form from the address `source`. If `forged` is true, leaves out the CSRF token, which another site
        would not know."""
        sent = [field for field in self.fields if not (forged and field[0] == "csrfmiddlewaretoken")]
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": self._cookie}
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._portal.port, timeout=TEST_TIMEOUT_S, source_address=(source, 0)
        )
        try:
            connection.request("POST", self._path, urlencode(sent), headers)
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
            return Page(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
        finally:
            connection.close()
