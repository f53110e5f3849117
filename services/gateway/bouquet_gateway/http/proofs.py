"""HTTP endpoints for proofs (encrypted texts that show later what an answer said): verification, and download as a PDF
file."""

from __future__ import annotations

from aiohttp import web

from bouquet_gateway.errors.answers import answer_of
from bouquet_gateway.errors.problems import Problem, detail_of
from bouquet_gateway.http.endpoints import plain_request
from bouquet_gateway.http.middlewares import CALL
from bouquet_gateway.http.responses import json_response
from bouquet_gateway.proofs.checks import ProofChecks
from bouquet_gateway.proofs.downloads import ProofDownloads
from bouquet_gateway.proofs.json import as_json
from bouquet_gateway.proofs.page import HEADERS, page_of, refusal_page
from bouquet_proto.deadline import Deadline


class ProofEndpoint:
    """Endpoint that verifies a proof and shows its content. A proof is an encrypted text that shows later what an
    answer said. If the gateway makes no proofs, the path counts as unknown."""

    # The sealed text is in the query, which nobody logs: a path is shown in the logs of proxies and in traces.

    def __init__(self, checks: ProofChecks | None, deadline_s: float, *, is_sandbox: bool) -> None:
        self._checks = checks
        self._deadline_s = deadline_s
        self._is_sandbox = is_sandbox

    async def get(self, request: web.Request) -> web.Response:
        if self._checks is None:
            raise Problem("unknown_route")
        call = request[CALL]
        call.operation = "proof_verification"
        wants_page = "text/html" in request.headers.get("Accept", "")
        try:
            deadline = Deadline.after(self._deadline_s)
            verified = await self._checks.check(plain_request(request), call.request_id, deadline)
        except Problem as problem:
            if not wants_page:
                raise
            answer = answer_of(problem, call, request.path)
            response = _page(refusal_page(detail_of(problem)), answer.status)
            if answer.retry_after_s is not None:
                response.headers["Retry-After"] = str(answer.retry_after_s)
            return response
        if wants_page:
            return _page(page_of(verified, is_test=self._is_sandbox))
        data = as_json(verified, is_test=self._is_sandbox)
        response = json_response({"data": data, "links": {}, "meta": {}})
        response.headers.update(HEADERS)
        return response


class ProofDocumentEndpoint:
    """Endpoint of the PDF file that shows an answer and its proof. The file's link is valid for five minutes. If the
    gateway makes no proofs, the path counts as unknown."""

    def __init__(self, downloads: ProofDownloads | None, deadline_s: float) -> None:
        self._downloads = downloads
        self._deadline_s = deadline_s

    async def get(self, request: web.Request) -> web.Response:
        if self._downloads is None:
            raise Problem("unknown_route")
        request[CALL].operation = "proof_document"
        file = await self._downloads.pdf(plain_request(request), Deadline.after(self._deadline_s))
        disposition = {"Content-Disposition": f'attachment; filename="{file.name}"'}
        return web.Response(body=file.content, content_type="application/pdf", headers=HEADERS | disposition)


def _page(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)
