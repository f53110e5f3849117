"""Response for large bodies that needs little memory even if its client reads slowly."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

SLICE_BYTES = 32_768


class SlicedResponse(web.StreamResponse):
    """Response that writes its body in slices. A slice is written only once the client has read enough of the earlier
    slices."""

    # So a thousand slow clients of one document share its bytes in memory, and buffer only one slice each.

    def __init__(self, body: bytes, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers=headers)
        self.content_length = len(body)
        self.left = memoryview(body)
        self.sink: AbstractStreamWriter | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if request.method == "HEAD":
            self.left = self.left[:0]
        self.sink = await super().prepare(request)
        return self.sink

    async def write_eof(self, data: bytes = b"") -> None:
        while self.left and self.sink is not None:
            piece, self.left = self.left[:SLICE_BYTES], self.left[SLICE_BYTES:]
            await self.sink.write(piece)
            await self.sink.drain()
        await super().write_eof(data)
