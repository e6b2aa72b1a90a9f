"""The page as an ASGI application: its files, the model's samples, and the answers to pictures."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import resources
from typing import TypeVar

from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mixnet_tools.accuracy.classification.images import ImageToClassify
from mixnet_tools.api.classification import OpenedClassifier
from mixnet_tools.errors import DatasetError, MixnetToolsError
from mixnet_tools.files.shown import shown
from mixnet_tools.threads import DaemonThreads, processors
from mixnet_tools.web import answers, pictures
from mixnet_tools.web.guard import Guard, Hosts
from mixnet_tools.web.limits import Limits
from mixnet_tools.web.uploads import RefusedError, drop, take

Result = TypeVar("Result")

MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
LONGEST_NAME = 200
"""Characters of a file name that are shown."""

FAULT = "The models could not answer. The terminal in which the page was started says more."


class Page:
    """Answers the requests of the page: ``top`` classes each. ``tell`` writes a line where the page was started."""

    def __init__(self, opened: OpenedClassifier, limits: Limits, tell: Callable[[str], None], top: int) -> None:
        self._opened, self._limits, self._tell, self._top = opened, limits, tell, top
        self._samples = pictures.read_samples(opened.samples, limits.bytes)
        self._about = answers.about(opened, self._samples, limits)
        self._threads = DaemonThreads(processors(), "page")
        self._warm_up()
        self._free = threading.BoundedSemaphore(limits.at_once)

    def routes(self) -> list[Route]:
        """Every address that there is. A file has a route of its own: no path of a request is ever looked up."""
        return [
            *_files(),
            Route("/api/about", self.about),
            Route("/api/classify", self.classify, methods=["POST"]),
            Route("/api/preview", self.preview, methods=["POST"]),
            Route("/samples/{number:int}", self.sample),
            Route("/samples/{number:int}/thumbnail", self.thumbnail),
        ]

    async def about(self, request: Request) -> Response:
        """What is loaded."""
        return JSONResponse(self._about)

    async def sample(self, request: Request) -> Response:
        """A picture of the model's own, as it is."""
        found = self._sample(request)
        return Response(found.data, media_type=found.media_type)

    async def thumbnail(self, request: Request) -> Response:
        """The same, small."""
        return Response(self._sample(request).thumbnail, media_type="image/jpeg")

    async def classify(self, request: Request) -> Response:
        """What the models say of the picture in the body. The parameter ``name`` is what it is called."""
        name = shown(request.query_params.get("name", "")[:LONGEST_NAME], lines=False) or "picture"
        return JSONResponse(await self._work(request, partial(self._classified, name)))

    async def preview(self, request: Request) -> Response:
        """The picture in the body as a JPEG; the parameter ``turned`` is 1 or 0."""
        turned = request.query_params.get("turned") == "1"
        made = await self._work(request, partial(pictures.preview, turned=turned))
        return Response(made, media_type="image/jpeg")

    def _warm_up(self) -> None:
        """Let the models answer once: the first answer takes longer than all others."""
        grey = io.BytesIO()
        Image.new("RGB", (256, 256), "grey").save(grey, "PNG")
        with contextlib.suppress(MixnetToolsError):
            self._opened.classifier.classify_one(ImageToClassify("grey", grey.getvalue()))

    def _classified(self, name: str, data: bytes) -> answers.Json:
        classifier = self._opened.classifier
        image = classifier.classify_one(ImageToClassify(name, data), self._top)
        needs_preview = image.problem is None and pictures.needs_preview(data, image)
        return answers.classified(classifier, image, self._opened.profile, needs_preview=needs_preview)

    def _sample(self, request: Request) -> pictures.Sample:
        number: int = request.path_params["number"]
        if number >= len(self._samples):
            raise HTTPException(404)
        return self._samples[number]

    async def _work(self, request: Request, work: Callable[[bytes], Result]) -> Result:
        """``work`` on the picture in the body, in another thread. Its place stays taken until the thread is done.

        Raises :class:`RefusedError` where there is no picture, no place, or no answer in time.
        """
        if not self._free.acquire(blocking=False):
            await drop(request, self._limits)
            raise RefusedError(503, "Too many pictures at once. Try this one again in a moment.")
        handed_over = False
        try:
            data = await take(request, self._limits)
            task = self._threads.submit(partial(work, data))
            task.add_done_callback(lambda _: self._free.release())
            handed_over = True
        finally:
            if not handed_over:
                self._free.release()
        del data  # the thread has it
        try:
            return await asyncio.wait_for(asyncio.wrap_future(task), self._limits.answer_seconds)
        except (asyncio.TimeoutError, TimeoutError):
            message = f"There was no answer after {self._limits.answer_seconds:g} seconds."
            raise RefusedError(504, message) from None
        except DatasetError as error:
            raise RefusedError(422, shown(str(error))) from None
        except MixnetToolsError as error:
            self._tell(f"error: {error}")
            raise RefusedError(500, FAULT) from None


def make_app(
    opened: OpenedClassifier, hosts: Hosts, limits: Limits, tell: Callable[[str], None], top: int
) -> Callable[..., Awaitable[None]]:
    """The page for the models in ``opened``, for requests to ``hosts``. ``tell`` gets a line on each fault."""

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status if isinstance(error, RefusedError) else 500
        headers = {"connection": "close", **({"retry-after": "1"} if status == 503 else {})}
        return JSONResponse({"problem": str(error)}, status, headers)

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=400)  # nobody reads it

    async def not_there(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return JSONResponse({"problem": "There is nothing at this address."}, status)

    async def fault(request: Request, error: Exception) -> Response:
        tell(f"error: {type(error).__name__}: {error} (this is a fault of mixnet_tools itself)")
        return JSONResponse({"problem": FAULT}, 500, {"connection": "close"})

    page = Page(opened, limits, tell, top)
    inner = Starlette(
        routes=page.routes(),
        exception_handlers={RefusedError: refused, ClientDisconnect: gone, HTTPException: not_there, Exception: fault},
    )
    return Guard(inner, hosts)


def _files() -> list[Route]:
    folder = resources.files(__package__) / "static"
    routes = []
    for file in folder.iterdir():
        suffix = file.name[file.name.rfind(".") :]
        if suffix in MEDIA_TYPES:
            path = "/" if file.name == "index.html" else f"/static/{file.name}"
            routes.append(Route(path, partial(_file, file.read_bytes(), MEDIA_TYPES[suffix])))
    return routes


async def _file(data: bytes, media_type: str, request: Request) -> Response:
    return Response(data, media_type=media_type)
