"""The studio as an ASGI application: a JSON API, the page on top of it, and what both show."""

import asyncio
import dataclasses
import json
import shlex
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from deadpan.errors import DeadpanError
from deadpan.reports.timeline import MEDIA_TYPES, TIMELINE_PAGE
from deadpan.show.page import render
from deadpan.studio.analyses import ANALYSES, FINAL, RESULTS, Analysis, AnalysisFolder
from deadpan.studio.annotations import (
    AnnotatedUtterance,
    Annotation,
    annotated_utterances,
    changed,
    read_annotations,
    write_annotations,
)
from deadpan.studio.datasets import (
    DATASETS,
    LabelledRecording,
    check_name,
    dataset_note,
    write_labelled,
)
from deadpan.studio.guard import LOCAL_HOSTS, Guard, refuse
from deadpan.studio.openapi import openapi
from deadpan.studio.queue import Analyze, Busy, Queue
from deadpan.studio.signatures import is_media
from deadpan.studio.work import Work

LARGEST = 2_000_000_000
"""Bytes of a recording that is taken, unless another limit is given."""
WAITING = 8
"""Analyses that may wait."""
PATIENCE = 30.0
"""Seconds without a byte after which a recording that is being sent is given up."""
SLOWEST = 16_384
"""Bytes a second that a sender must reach, on average after ``PATIENCE``."""
HEARTBEAT = 15.0
"""Seconds after which an event stream in which nothing happens sends a comment."""
RETRY = 20
"""Seconds after which whoever was sent away because too many wait may ask again."""
BUFFER = 1 << 20
SMALL = 65_536
"""Most bytes of a request's body that is no recording."""
NOT_HERE = "there is nothing here"
STATIC = Path(__file__).parent / "static"
SCRIPTS = ("studio.js", "page.js", "runs.js", "curve.js", "analyses.js")
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; media-src 'self'; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
STORED_PAGE = (
    "sandbox allow-downloads; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
)
"""Policy of pages beside runs, which have no script of ours: none may run."""
TIMELINE_POLICY = (
    "default-src 'none'; media-src 'self' data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; frame-ancestors 'self'"
)
"""Policy of timelines, which allow their one script themselves, by its hash."""


def make_app(
    folder: Path,
    analyze: Analyze,
    *,
    token: str | None = None,
    hosts: frozenset[str] = LOCAL_HOSTS,
    addresses: bool = False,
    largest: int = LARGEST,
    waiting: int = WAITING,
) -> ASGIApp:
    """Make the application of a folder; its queue runs while the application does.

    Args:
        folder: holds runs, and gets a folder ``analyses``.
        analyze: ``deadpan.api.analyze``, or what is called as it is.
        token: that every request must bring; None for none.
        hosts: names by which the studio may be called.
        addresses: whether it may be called by any IP address.
        largest: bytes of a recording that is taken.
        waiting: analyses that may wait.
    """
    queue = Queue(AnalysisFolder(folder / ANALYSES), analyze, waiting=waiting)
    studio = _Studio(folder, queue, largest)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        await queue.load()
        running = asyncio.create_task(queue.run())
        yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    app = Starlette(
        routes=studio.routes(),
        lifespan=lifespan,
        exception_handlers={
            HTTPException: _http_error,
            DeadpanError: _deadpan_error,
            Exception: _defect,
        },
    )
    return Guard(app, hosts=hosts, addresses=addresses, token=token)


def studio_routes(folder: Path) -> list[Route]:
    """The routes of a folder's studio, of which ``openapi`` describes those in the schema."""
    queue = Queue(AnalysisFolder(folder / ANALYSES), lambda: None, waiting=WAITING)
    return _Studio(folder, queue, LARGEST).routes()


class _Studio:
    """What answers requests."""

    def __init__(self, folder: Path, queue: Queue, largest: int) -> None:
        self._folder, self._queue, self._largest = folder, queue, largest
        self._run_list: Any = None
        self._writing, self._exporting = asyncio.Lock(), asyncio.Lock()

    def routes(self) -> list[Route]:
        """Every route; ``openapi`` describes those under ``/v1``."""
        one = "/v1/analyses/{id}"
        return [
            _route("GET", "/", self.front, described=False),
            _route("GET", "/static/{file}", self.static, described=False),
            _route("GET", "/v1/openapi.json", self.describe),
            _route("GET", "/v1/runs", self.runs),
            _route("GET", "/v1/runs/{id}", self.run),
            _route("GET", "/v1/runs/{id}/epochs", self.epochs),
            _route("GET", "/v1/runs/{id}/files/{file}", self.run_file),
            _route("GET", "/v1/runs/{id}/files/{folder}/{file}", self.run_file),
            _route("GET", "/v1/pages", self.pages),
            _route("GET", "/v1/pages/{file}", self.page),
            _route("GET", "/v1/analyses", self.analyses),
            _route("POST", "/v1/analyses", self.receive),
            _route("GET", one, self.analysis),
            _route("DELETE", one, self.remove),
            _route("GET", f"{one}/events", self.events),
            _route("GET", f"{one}/recording", self.recording),
            _route("GET", f"{one}/results/{{file}}", self.result),
            _route("GET", f"{one}/utterances", self.utterances),
            _route("PUT", f"{one}/utterances/{{number:int}}", self.annotate),
            _route("GET", "/v1/datasets", self.datasets),
            _route("POST", "/v1/datasets", self.make_dataset),
            # Where the page of a timeline looks for a recording that is too large to be in it.
            _route("GET", f"{one}/{{file}}", self.recording, described=False),
        ]

    async def front(self, _: Request) -> Response:
        answer = _file(STATIC / "studio.html", "text/html; charset=utf-8")
        answer.headers["content-security-policy"] = PAGE_POLICY
        return answer

    async def static(self, request: Request) -> Response:
        name = request.path_params["file"]
        if name == "studio.css":  # after the look that all pages share
            style = render("style.css") + (STATIC / name).read_text(encoding="utf-8")
            return Response(style, media_type="text/css")
        if name not in SCRIPTS:
            raise HTTPException(404, NOT_HERE)
        return _file(STATIC / name, "text/javascript; charset=utf-8")

    async def describe(self, _: Request) -> Response:
        return JSONResponse(openapi())

    async def runs(self, _: Request) -> Response:
        return JSONResponse({"runs": await asyncio.to_thread(lambda: self._runs().rows())})

    async def run(self, request: Request) -> Response:
        from deadpan.studio.runs import run_details

        return JSONResponse(await self._of_run(request, run_details))

    async def epochs(self, request: Request) -> Response:
        from deadpan.studio.runs import run_epochs

        return JSONResponse(await self._of_run(request, run_epochs))

    async def run_file(self, request: Request) -> Response:
        from deadpan.studio.runs import shown_file

        parts = request.path_params
        names = tuple(parts[name] for name in ("folder", "file") if name in parts)
        return _shown(await self._of_run(request, lambda path: shown_file(path, names)))

    async def pages(self, _: Request) -> Response:
        from deadpan.studio.runs import page_names

        return JSONResponse({"pages": await asyncio.to_thread(page_names, self._folder)})

    async def page(self, request: Request) -> Response:
        from deadpan.studio.runs import shown_file

        names = (request.path_params["file"],)
        return _shown(await asyncio.to_thread(shown_file, self._folder, names))

    async def analyses(self, _: Request) -> Response:
        rows = [analysis_json(each) for each in self._queue.all()]
        return JSONResponse({"analyses": rows, "largest": self._largest})

    async def analysis(self, request: Request) -> Response:
        return JSONResponse(analysis_json(self._found(request)))

    async def receive(self, request: Request) -> Response:
        stated = request.headers.get("content-length", "")
        if stated.isdigit() and int(stated) > self._largest:
            return self._too_large()
        try:
            name = request.query_params.get("name", "")
            analysis = await self._queue.receive(name, self._recording(request))
        except Busy:
            wait = {"retry-after": str(RETRY)}
            return refuse(429, f"too many recordings wait; try again in {RETRY} s", wait)
        except _Refused as refused:
            return refuse(refused.status, str(refused), {"connection": "close"})
        except OSError as error:
            return refuse(507, f"the recording cannot be kept here ({error.strerror})")
        where = f"/v1/analyses/{analysis.id}"
        return JSONResponse(analysis_json(analysis), status_code=202, headers={"location": where})

    async def _recording(self, request: Request) -> AsyncIterator[bytes]:
        """The recording in a request, some at a time, as long as it is one and comes in time."""
        size, begin, waiting, first = 0, time.monotonic(), b"", True
        parts = aiter(request.stream())
        while True:
            try:
                part = await asyncio.wait_for(anext(parts), PATIENCE)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise _Refused(408, f"no byte came for {PATIENCE:g} s; send it again") from None
            except ClientDisconnect:
                raise _Refused(400, "the sender left before the end") from None
            size += len(part)
            took = time.monotonic() - begin
            if size > self._largest:
                raise _Refused(413, self._limit())
            if took > PATIENCE and size < SLOWEST * took:
                raise _Refused(408, f"fewer than {SLOWEST:,} bytes came in a second; send it again")
            waiting += part
            if len(waiting) >= BUFFER or (first and len(waiting) >= 4096):
                first = _check_first(first, waiting)
                yield waiting
                waiting = b""
        if not size:
            raise _Refused(400, "the recording is empty; send its bytes as the body")
        if waiting:
            _check_first(first, waiting)
            yield waiting

    def _too_large(self) -> Response:
        return refuse(413, self._limit(), {"connection": "close"})

    def _limit(self) -> str:
        return (
            f"the recording is larger than {self._largest / 1e6:,.0f} MB; start the studio with "
            "another --largest, or use 'deadpan analyze'"
        )

    async def remove(self, request: Request) -> Response:
        await self._queue.remove(self._found(request))
        return Response(status_code=204)

    async def events(self, request: Request) -> Response:
        identity = self._found(request).id

        async def stream() -> AsyncIterator[str]:
            async for analysis in self._queue.follow(identity, HEARTBEAT):
                if analysis is None:
                    yield ": still here\n\n"
                    continue
                name = analysis.state if analysis.final else "progress"
                yield f"event: {name}\ndata: {json.dumps(analysis_json(analysis))}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def recording(self, request: Request) -> Response:
        analysis = self._found(request)
        if request.path_params.get("file", analysis.file) != analysis.file:
            raise HTTPException(404, NOT_HERE)
        path = self._queue.folder.recording(analysis)
        kind = MEDIA_TYPES.get(path.suffix, "application/octet-stream")
        return _file(path, kind)

    async def result(self, request: Request) -> Response:
        analysis, name = self._found(request), request.path_params["file"]
        if name not in RESULTS:
            raise HTTPException(404, f"no such result; known: {', '.join(RESULTS)}")
        kinds = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
        kinds |= {"html": "text/html; charset=utf-8", "srt": "text/plain; charset=utf-8"}
        answer = _file(self._queue.folder.result(analysis, name), kinds[name.rpartition(".")[2]])
        if name == TIMELINE_PAGE:
            answer.headers["content-security-policy"] = TIMELINE_POLICY
        return answer

    async def utterances(self, request: Request) -> Response:
        rows = await asyncio.to_thread(self._utterances, self._done(request))
        return JSONResponse({"utterances": [dataclasses.asdict(row) for row in rows]})

    async def annotate(self, request: Request) -> Response:
        analysis, number = self._done(request), request.path_params["number"]
        content = await _small_body(request)
        async with self._writing:
            rows = await asyncio.to_thread(self._utterances, analysis)
            if number >= len(rows):
                raise HTTPException(404, f"no utterance {number}; the last is {len(rows) - 1}")
            row = await asyncio.to_thread(self._annotate, analysis, number, content)
        return JSONResponse(dataclasses.asdict(row))

    def _annotate(self, analysis: Analysis, number: int, content: bytes) -> AnnotatedUtterance:
        folder = self._queue.folder.folder(analysis)
        annotations = read_annotations(folder)
        try:
            annotation = changed(annotations.get(number, Annotation()), content)
        except DeadpanError as error:
            raise HTTPException(422, str(error)) from None
        write_annotations(folder, {**annotations, number: annotation})
        return self._utterances(analysis)[number]

    def _utterances(self, analysis: Analysis) -> list[AnnotatedUtterance]:
        results = self._queue.folder
        timeline = results.result(analysis, "timeline.json")
        return annotated_utterances(results.folder(analysis), timeline)

    async def datasets(self, _: Request) -> Response:
        def names() -> list[str]:
            folder = self._folder / DATASETS
            if not folder.is_dir():
                return []
            return sorted(x.name for x in folder.iterdir() if (x / "labels.csv").is_file())

        return JSONResponse({"datasets": await asyncio.to_thread(names)})

    async def make_dataset(self, request: Request) -> Response:
        content = await _small_body(request)
        try:
            values = json.loads(content)
            name = check_name(values["name"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return refuse(422, 'wanted a JSON object with a name, as {"name": "mine"}')
        except DeadpanError as error:
            return refuse(422, str(error))
        if self._exporting.locked():
            wait = {"retry-after": str(RETRY)}
            return refuse(429, "another data set is being written; try again later", wait)
        async with self._exporting:
            recordings = await asyncio.to_thread(self._labelled)
            if not recordings:
                return refuse(409, "no utterance has a label; label some, and save again")
            out = self._folder / DATASETS / name
            if out.exists():
                return refuse(409, f"there is a data set {name} already; give another name")
            await _worked(write_labelled, recordings, out)
        store = f"{out}.safetensors"
        clips = sum(len(each.utterances) for each in recordings)
        table = out / "labels.csv"
        extract = ["deadpan", "extract", str(out / "clips"), "--labels", str(table), "--out", store]
        extract += ["--data_options.task", "regression"]
        commands = [shlex.join(extract), shlex.join(["deadpan", "train", "--data", store])]
        made = {"name": name, "clips": clips, "note": dataset_note(recordings)}
        return JSONResponse({**made, "folder": str(out), "commands": commands}, status_code=201)

    def _labelled(self) -> list[LabelledRecording]:
        found: list[LabelledRecording] = []
        for each in reversed(self._queue.all()):
            if each.state != "done" or not read_annotations(self._queue.folder.folder(each)):
                continue
            rows = tuple(row for row in self._utterances(each) if row.label is not None)
            if rows:
                file = self._queue.folder.recording(each)
                found.append(LabelledRecording(id=each.id, file=file, utterances=rows))
        return found

    def _done(self, request: Request) -> Analysis:
        analysis = self._found(request)
        if analysis.state != "done":
            raise HTTPException(409, f"the analysis is {analysis.state}; wait until it is done")
        return analysis

    def _found(self, request: Request) -> Analysis:
        analysis = self._queue.find(request.path_params["id"])
        if analysis is None:
            raise HTTPException(404, "no analysis has this id; it may have been removed")
        return analysis

    async def _of_run(self, request: Request, read: Callable[[Path], Any]) -> Any:  # noqa: ANN401
        def in_thread() -> Any:  # noqa: ANN401
            path = self._runs().path(request.path_params["id"])
            if path is None:
                raise HTTPException(404, "no run has this id; it may have been removed")
            return read(path)

        return await asyncio.to_thread(in_thread)

    def _runs(self) -> Any:  # noqa: ANN401 - with it comes torch
        if self._run_list is None:
            from deadpan.studio.runs import RunList

            self._run_list = RunList(self._folder, frozenset((ANALYSES, DATASETS)))
        return self._run_list


class _Refused(Exception):
    """A recording that is not taken, and the status to say so."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def _check_first(first: bool, content: bytes) -> bool:
    """Refuse what does not begin as a recording does; False: the next part is not the first."""
    if first and not is_media(content):
        raise _Refused(
            415,
            "this begins like no recording; send video or sound such as .mp4, .mkv, .webm, .wav, "
            ".mp3 or .flac",
        )
    return False


async def _small_body(request: Request) -> bytes:
    """The body of a request that brings no recording."""
    content = b""
    parts = aiter(request.stream())
    try:
        while part := await asyncio.wait_for(anext(parts), PATIENCE):
            content += part
            if len(content) > SMALL:
                raise HTTPException(413, f"wanted at most {SMALL:,} bytes", {"connection": "close"})
    except StopAsyncIteration:
        pass
    except TimeoutError:
        raise HTTPException(408, f"no byte came for {PATIENCE:g} s; send it again") from None
    except ClientDisconnect:
        raise HTTPException(400, "the sender left before the end") from None
    return content


async def _worked(function: Callable[..., Any], *arguments: Any) -> None:  # noqa: ANN401
    """Call a function in a process of its own; DeadpanError if it fails."""
    work = await asyncio.to_thread(Work, function, *arguments)
    try:
        while (message := await asyncio.to_thread(work.message))[0] not in FINAL:
            pass
    finally:
        work.close()
    if message[0] == "failed":
        raise DeadpanError(message[1])


def analysis_json(analysis: Analysis) -> dict[str, Any]:
    """An analysis as the API has it."""
    where = f"/v1/analyses/{analysis.id}"
    done = analysis.state == "done"
    return {
        "id": analysis.id,
        "name": analysis.name,
        "size": analysis.size,
        "state": analysis.state,
        "created": analysis.created,
        "progress": round(analysis.progress, 4),
        "seconds": analysis.seconds,
        "error": analysis.error or None,
        "recording": f"{where}/recording",
        "results": [f"{where}/results/{name}" for name in RESULTS] if done else [],
    }


def _route(
    method: str,
    path: str,
    answer: Callable[[Request], Awaitable[Response]],
    *,
    described: bool = True,
) -> Route:
    return Route(path, answer, methods=[method], include_in_schema=described)


def _file(path: Path, kind: str) -> FileResponse:
    """A file, with range requests; 404 where it is not there."""
    try:
        stat = path.stat()
    except OSError:
        raise HTTPException(404, NOT_HERE) from None
    return FileResponse(path, media_type=kind, stat_result=stat)


def _shown(path: Path | None) -> Response:
    from deadpan.studio.runs import SHOWN

    if path is None:
        raise HTTPException(404, NOT_HERE)
    answer = _file(path, SHOWN[path.suffix.lower()])
    answer.headers["content-security-policy"] = STORED_PAGE
    return answer


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers: Mapping[str, str] = error.headers or {}
    return refuse(error.status_code, error.detail, dict(headers))


def _deadpan_error(_: Request, error: Exception) -> Response:
    return refuse(409, str(error))


def _defect(_: Request, error: Exception) -> Response:
    return refuse(500, f"a defect of deadpan: {type(error).__name__}")
