"""Download of PDF files that each show an answer and its proof. Anybody who has the link to such a file can download
it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from msgspec import Struct

from bouquet_gateway.access.address_limit import AddressLimit
from bouquet_gateway.call import HttpRequest
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.proofs.checks import sealed_text
from bouquet_gateway.proofs.document import Document
from bouquet_gateway.proofs.proofs import DOCUMENT_PARAMETER, Proofs, code_of
from bouquet_proto.deadline import Deadline

MAX_UNDER_WAY = 20
"""Largest number of PDF files that one process draws or keeps waiting at a time. A further download gets an error."""
# PDF files are drawn one after the other, and a waiting download counts toward `max_requests`.


class PdfFile(Struct, frozen=True):
    name: str
    content: bytes


class ProofDownloads:
    """Service that draws PDF files, each of which shows an answer and its proof. Callers need no token, but each IP
    address may download only a limited number."""

    def __init__(self, proofs: Proofs, limit: AddressLimit, executor: Executor, *, is_sandbox: bool) -> None:
        """Takes the executor that draws the PDF files (`drawing_thread`), and the limit on the downloads of each IP
        address. `is_sandbox` says whether the proofs are about invented data."""
        self._proofs = proofs
        self._limit = limit
        self._executor = executor
        self._is_sandbox = is_sandbox
        self._under_way = 0

    async def pdf(self, request: HttpRequest, deadline: Deadline) -> PdfFile:
        """Draws the PDF file whose encrypted content is in a request's query. Raises `Problem` if the content is not
        valid or more than five minutes old, or if the IP address has exceeded its limit."""
        # Also raises `Problem` if too many downloads are under way, or if the file is not ready by the deadline.
        await self._limit.count(request)
        document = self._proofs.document(sealed_text(request.raw_query, DOCUMENT_PARAMETER))
        if self._under_way >= MAX_UNDER_WAY:
            raise Problem("overloaded")
        self._under_way += 1
        try:
            async with asyncio.timeout(deadline.left_s()):
                content = await asyncio.get_running_loop().run_in_executor(self._executor, self._drawn, document)
        except TimeoutError:
            raise Problem("overloaded") from None
        finally:
            self._under_way -= 1
        return PdfFile(f"attestation_{code_of(document.proof)}.pdf", content)

    def _drawn(self, document: Document) -> bytes:
        # Imported here: a gateway that draws no document does not load the library.
        from bouquet_gateway.proofs.pdf import pdf_of

        url = self._proofs.url_of(document.proof)
        return pdf_of(document, code_of(document.proof), url, is_test=self._is_sandbox)


@contextmanager
def drawing_thread() -> Iterator[Executor]:
    """Yields an executor with one thread, in which documents are drawn. When the context ends, the thread finishes the
    document that it is drawing, and draws no other."""
    # Drawing is Python at work: a second thread would only take the first one's time, and the event loop's. An
    # executor, since a drawing that nobody waits for any longer goes on in its thread.
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="proof-document")
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
