"""The document that describes the API, in OpenAPI 3.1; a test holds it to the routes."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
}
TEXT = {"type": "string"}
NUMBER = {"type": "number"}
WHOLE = {"type": "integer"}


def openapi() -> dict[str, Any]:
    """The document."""
    one, run = "/v1/analyses/{id}", "/v1/runs/{id}"
    shown = {"200": _content("the file", "*/*"), **_refusals(404)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "deadpan studio",
            "version": version("deadpan"),
            "description": "Runs and recordings of one folder. Errors are JSON: "
            '{"error": "what was wrong"}.',
        },
        "paths": {
            "/v1/openapi.json": {"get": _operation("This document", _json("it", {}))},
            "/v1/runs": {
                "get": _operation("List runs", _json("all", _object(runs=_array(_ref("Run")))))
            },
            run: {"get": _operation("Settings and scores of a run", _json("them", {}), ID)},
            f"{run}/epochs": {
                "get": _operation("Losses by epoch", _json("them", _ref("Epochs")), ID)
            },
            f"{run}/files/{{file}}": {
                "get": _operation("A page or table of a run", shown, ID, _path("file"))
            },
            f"{run}/files/{{folder}}/{{file}}": {
                "get": _operation(
                    "A page or table in a folder of a run",
                    shown,
                    ID,
                    _path("folder"),
                    _path("file"),
                )
            },
            "/v1/pages": {
                "get": _operation(
                    "List pages in the folder itself", _json("names", _object(pages=_array(TEXT)))
                )
            },
            "/v1/pages/{file}": {"get": _operation("One of them", shown, _path("file"))},
            "/v1/analyses": {
                "get": _operation(
                    "List analyses, newest first",
                    _json("all", _object(analyses=_array(_ref("Analysis")), largest=WHOLE)),
                ),
                "post": {
                    **_operation(
                        "Analyze a recording: it is queued",
                        {
                            "202": _content("the analysis", "application/json", _ref("Analysis")),
                            **_refusals(400, 408, 413, 415, 429, 507),
                        },
                        {"name": "name", "in": "query", "schema": TEXT},
                    ),
                    "requestBody": {
                        "required": True,
                        "description": "the recording's bytes",
                        "content": {"application/octet-stream": {}},
                    },
                },
            },
            one: {
                "get": _operation("One analysis", _json("it", _ref("Analysis")), ID),
                "delete": _operation(
                    "Cancel and remove an analysis",
                    {"204": {"description": "it is gone"}, **_refusals(404)},
                    ID,
                ),
            },
            f"{one}/events": {
                "get": _operation(
                    "Server-sent events: progress, and last done or failed, each with the analysis",
                    {"200": _content("events", "text/event-stream", TEXT), **_refusals(404)},
                    ID,
                )
            },
            f"{one}/recording": {
                "get": _operation(
                    "The recording; ranges may be asked for",
                    {
                        "200": _content("whole", "*/*"),
                        "206": _content("a range of it", "*/*"),
                        **_refusals(404, 416),
                    },
                    ID,
                )
            },
            f"{one}/results/{{file}}": {
                "get": _operation(
                    "timeline.json, timeline.csv, timeline.srt or timeline.html, as of "
                    "'deadpan analyze'",
                    shown,
                    ID,
                    _path("file"),
                )
            },
            f"{one}/utterances": {
                "get": _operation(
                    "Utterances with their corrections and labels",
                    {
                        **_json("all", _object(utterances=_array(_ref("Utterance")))),
                        **_refusals(409),
                    },
                    ID,
                )
            },
            f"{one}/utterances/{{number}}": {
                "put": {
                    **_operation(
                        "Correct or label an utterance; what is left out stays, null takes it back",
                        {**_json("it", _ref("Utterance")), **_refusals(408, 409, 413, 422)},
                        ID,
                        {**_path("number"), "schema": {"type": "integer", "minimum": 0}},
                    ),
                    "requestBody": _body(
                        text=_or_null("string"),
                        label={"type": ["number", "null"], "minimum": -3, "maximum": 3},
                    ),
                }
            },
            "/v1/datasets": {
                "get": _operation("List data sets", _json("names", _object(datasets=_array(TEXT)))),
                "post": {
                    **_operation(
                        "Write all labelled utterances as a folder that 'deadpan extract' takes",
                        {
                            "201": _content("it is written", "application/json", _ref("Dataset")),
                            **_refusals(408, 409, 413, 422, 429),
                        },
                    ),
                    "requestBody": _body(name=TEXT),
                },
            },
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _array(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _or_null(kind: str) -> dict[str, Any]:
    return {"type": [kind, "null"]}


def _body(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "properties": properties}}},
    }


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def _content(about: str, kind: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"description": about, "content": {kind: {"schema": schema} if schema else {}}}


def _json(about: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"200": _content(about, "application/json", schema), **_refusals(404)}


def _refusals(*statuses: int) -> dict[str, Any]:
    return {
        str(status): _content(REFUSALS[status], "application/json", _ref("Error"))
        for status in statuses
    }


def _operation(
    summary: str, responses: Mapping[str, Any], *parameters: Mapping[str, Any]
) -> dict[str, Any]:
    return {"summary": summary, "parameters": list(parameters), "responses": dict(responses)}


REFUSALS = {
    400: "nothing, or not what was wanted, was sent",
    404: "it is not there",
    408: "it came too slowly",
    409: "it does not go with what is there",
    413: "it is too large",
    415: "it is no recording",
    416: "the recording has no such range",
    422: "a value is out of range",
    429: "too many wait; Retry-After says when to try again",
    507: "the disk is full",
}
SCHEMAS: Mapping[str, Any] = {
    "Error": _object(error=TEXT),
    "Analysis": _object(
        id=TEXT,
        name=TEXT,
        size=WHOLE,
        state={"enum": ["queued", "running", "done", "failed"]},
        created={"type": "string", "format": "date-time"},
        progress={"type": "number", "minimum": 0, "maximum": 1},
        seconds=_or_null("number"),
        error=_or_null("string"),
        recording=TEXT,
        results=_array(TEXT),
    ),
    "Utterance": _object(
        number=WHOLE,
        start=NUMBER,
        end=NUMBER,
        person=_or_null("string"),
        recognized=TEXT,
        text=TEXT,
        label=_or_null("number"),
    ),
    "Dataset": _object(
        name=TEXT, clips=WHOLE, note=_or_null("string"), folder=TEXT, commands=_array(TEXT)
    ),
    "Run": _object(
        id=TEXT,
        name=TEXT,
        state={"enum": ["training", "finished", "scored", "broken"]},
        data=_or_null("string"),
        model=_or_null("string"),
        seed=_or_null("integer"),
        started=_or_null("string"),
        epochs=_or_null("integer"),
        best_epoch=_or_null("integer"),
        valid_loss=_or_null("number"),
        scores=_array(
            _object(
                title=TEXT,
                higher_is_better={"type": "boolean"},
                percent={"type": "boolean"},
                value=_or_null("number"),
            )
        ),
        pages=_array(TEXT),
        error=_or_null("string"),
    ),
    "Epochs": _object(
        epochs=_array(WHOLE),
        train_loss=_array(_or_null("number")),
        valid_loss=_array(_or_null("number")),
        seconds=_array(_or_null("number")),
        best_epoch=_or_null("integer"),
        valid_metrics={"type": "object"},
    ),
}
