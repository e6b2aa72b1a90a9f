"""Takes a picture out of a request, within a budget of bytes and time. It stays in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mixnet_tools.web.limits import Limits

if TYPE_CHECKING:
    from starlette.requests import Request

TYPE = "application/octet-stream"
"""The type that a request must name. A page of another site cannot send it without asking first, and gets no answer."""


class RefusedError(Exception):
    """A request is not carried out; ``status`` is that of the answer, the message is for the person at the page."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def take(request: Request, limits: Limits) -> bytes:
    """The body of ``request``. Raises :class:`RefusedError` where it is no picture, too large, or too slow."""
    import anyio

    if request.headers.get("content-type", "") != TYPE:
        raise RefusedError(415, f"Send the bytes of the picture as {TYPE}.")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > limits.bytes:
        await drop(request, limits)
        raise _too_large(limits)
    body = bytearray()
    with anyio.move_on_after(limits.body_seconds) as timer:
        async for block in request.stream():
            body += block
            if len(body) > limits.bytes:
                break
    if timer.cancelled_caught:
        raise RefusedError(408, f"The picture was not here after {limits.body_seconds:g} seconds.")
    if len(body) > limits.bytes:
        body.clear()
        await drop(request, limits)
        raise _too_large(limits)
    if not body:
        raise RefusedError(400, "The file is empty.")
    return bytes(body)


async def drop(request: Request, limits: Limits) -> None:
    """Read the rest of ``request`` and forget it, for a moment: who still sends does not read an answer."""
    import anyio

    with anyio.move_on_after(limits.drop_seconds):
        while True:
            message = await request.receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                return


def _too_large(limits: Limits) -> RefusedError:
    return RefusedError(413, f"The file is too large: at most {limits.bytes >> 20} MB are taken.")
