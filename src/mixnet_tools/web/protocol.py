"""uvicorn's HTTP, with a limit on how long a connection may be open before it asks for something."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


def impatient(seconds: float) -> type[H11Protocol]:
    """A protocol that closes a connection on which no whole request head has arrived after ``seconds``.

    uvicorn itself waits without end for the first request of a connection.
    """

    class Impatient(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.loop.call_later(seconds, self._require_a_request)

        def _require_a_request(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()

    return Impatient
