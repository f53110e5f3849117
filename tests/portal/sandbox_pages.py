"""Pages of the portal's sandbox: operations that they call, and what they show."""

from __future__ import annotations

import html
import json
import re
import urllib.request
from typing import Any

from tests.portal.servers import GatewayServer, Page
from tests.support.waiting import TEST_TIMEOUT_S

ROOT = "/developpeurs/bac-a-sable"
QUOTIENT = "api_particulier_v3_cnav_quotient_familial_with_civility"
QUOTIENT_BY_FRANCE_CONNECT = QUOTIENT.replace("civility", "france_connect")
V2 = "api_particulier_v2_cnaf_quotient_familial"


def document(gateway: GatewayServer, path: str) -> Any:
    """Returns a JSON document of the sandbox gateway."""
    with urllib.request.urlopen(f"{gateway.url}{path}", timeout=TEST_TIMEOUT_S) as answer:
        return json.load(answer)


def code_in(page: Page, id: str) -> str:
    """Returns the code block with this id."""
    found = re.search(rf'id="{id}"><pre[^>]*><code>(.*?)</code>', page.text, re.DOTALL)
    assert found, id
    return html.unescape(found[1])


def body_in(page: Page) -> Any:
    """Returns the body of the gateway's answer that a page shows."""
    return json.loads(code_in(page, "corps"))
