"""uvicorn's HTTP, with a limit on how long a connection may be open without asking for something."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


def impatient(seconds: float) -> type[H11Protocol]:
    """A protocol that closes a connection on which no whole request head arrives for ``seconds``, or twice as long.

    uvicorn itself waits without end for the first request of a connection, and for the rest of one that has begun.
    """

    class Impatient(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.loop.call_later(seconds, self._require_a_request, None)

        def _require_a_request(self, last: RequestResponseCycle | None) -> None:
            """Close the connection if ``last`` is still the newest request, and was answered."""
            waits = self.cycle is None or self.cycle.response_complete
            if waits and self.cycle is last:
                self.transport.close()
            elif not self.transport.is_closing():
                self.loop.call_later(seconds, self._require_a_request, self.cycle)

    return Impatient
