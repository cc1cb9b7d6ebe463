"""The studio's JSON API, asked over a socket; reading is what ``stand_in`` pretends."""

import pytest

from .conftest import WAV

MISSING = "0" * 16


def settled(studio):
    """Remove every analysis, so that each test begins with none."""
    (studio.folder.parent / "go").touch()
    for analysis in studio.get("/v1/analyses").json["analyses"]:
        studio.ask("DELETE", f"/v1/analyses/{analysis['id']}")
    (studio.folder.parent / "go").unlink()


@pytest.fixture
def empty(studio):
    settled(studio)
    yield studio
    settled(studio)


def test_a_recording_becomes_a_timeline(empty):
    answer = empty.send("my <b>talk</b>.wav")
    analysis = answer.json
    where = f"/v1/analyses/{analysis['id']}"
    assert (answer.status, answer.headers["location"]) == (202, where)
    assert (analysis["name"], analysis["size"]) == ("my <b>talk</b>.wav", len(WAV))
    events = list(empty.events(analysis["id"]))
    assert [name for name, _ in events[:-1]] == ["progress"] * (len(events) - 1)
    assert events[-1][0] == "done"
    shares = [each["progress"] for _, each in events]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert empty.get(where).json == events[-1][1]
    assert empty.get("/v1/analyses").json["analyses"] == [events[-1][1]]

    results = {x.rpartition("/")[2]: empty.get(x) for x in events[-1][1]["results"]}
    assert {answer.status for answer in results.values()} == {200}
    timeline = results["timeline.json"].json
    assert timeline["schema"] == "deadpan-timeline/1"
    assert timeline["recording"]["file"] == "my_b_talk_b.wav"
    assert results["timeline.csv"].body.startswith(b"start,end,person")
    assert "00:00:00,000 --> 00:00:01,000" in results["timeline.srt"].body.decode()
    page = results["timeline.html"]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'unsafe-inline'" in page.headers["content-security-policy"]

    assert empty.get(f"{where}/recording").body == WAV
    part = empty.get(f"{where}/recording", Range="bytes=4-11")
    assert (part.status, part.body) == (206, WAV[4:12])
    assert part.headers["content-range"] == f"bytes 4-11/{len(WAV)}"
    assert part.headers["content-type"] == "audio/wav"
    assert empty.get(f"{where}/my_b_talk_b.wav").body == WAV  # where the page looks for it
    assert empty.get(f"{where}/recording", Range="bytes=900-").status == 416

    assert empty.ask("DELETE", where).status == 204
    assert empty.get(where).status == 404
    assert list((empty.folder / "analyses").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("fault.wav", "fault.wav: nothing in it can be decoded"),  # and no path of ours
        ("crash.wav", "the process that read it ended with status 3"),
    ],
)
def test_a_recording_that_cannot_be_read_fails_alone(empty, name, error):
    broken, whole = empty.send(name).json, empty.send().json
    events = list(empty.events(broken["id"]))
    assert events[-1][0] == "failed"
    assert events[-1][1]["error"] == error
    assert empty.get(f"/v1/analyses/{broken['id']}/results/timeline.json").status == 404
    assert empty.end_of(whole["id"])["state"] == "done"


def running(studio, identity):
    """Wait until half of an analysis is read."""
    for _, analysis in studio.events(identity):
        if analysis["progress"] == 0.5:
            return


def test_few_wait_and_others_are_sent_away(empty):
    slow = empty.send("slow.wav").json["id"]
    running(empty, slow)
    waiting = [empty.send(f"{i}.wav") for i in range(3)]
    assert [answer.status for answer in waiting] == [202] * 3
    refused = empty.send("one too many.wav")
    assert (refused.status, int(refused.headers["retry-after"]) > 0) == (429, True)
    assert "too many recordings wait" in refused.json["error"]
    first = waiting[0].json["id"]
    assert empty.ask("DELETE", f"/v1/analyses/{first}").status == 204  # one that waits
    assert empty.ask("DELETE", f"/v1/analyses/{slow}").status == 204  # the one being read
    assert [empty.end_of(x.json["id"])["state"] for x in waiting[1:]] == ["done", "done"]
    assert len(empty.get("/v1/analyses").json["analyses"]) == 2


@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        (b"", 400, "is empty"),
        (b"PK\x03\x04" + bytes(1000), 415, "begins like no recording"),
        (b"only text" * 1000, 415, "begins like no recording"),
        (WAV + bytes(2_000_000), 413, "larger than 2 MB"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_no_recording_is_not_taken(empty, content, status, error, chunked):
    parts = (content[i : i + 500_000] for i in range(0, len(content), 500_000))
    try:
        answer = empty.send(content=parts if chunked else content)
    except (BrokenPipeError, ConnectionResetError):
        # It was refused while the rest was still being sent.
        assert status == 413
    else:
        assert answer.status == status
        assert error in answer.json["error"]
    assert empty.get("/v1/analyses").json["analyses"] == []
    assert list((empty.folder / "analyses").iterdir()) == []


def test_what_a_killed_studio_was_reading_is_read_again(start_studio, tmp_path):
    folder = tmp_path / "runs"
    studio = start_studio(folder)
    slow = studio.send("slow.wav").json["id"]
    running(studio, slow)
    waiting = studio.send("next.wav").json["id"]
    studio.kill()
    (tmp_path / "go").touch()
    again = start_studio(folder)
    assert [again.end_of(each)["state"] for each in (slow, waiting)] == ["done", "done"]
    assert again.get(f"/v1/analyses/{slow}/results/timeline.json").status == 200


PATHS = [
    "/v1/analyses/../../../etc/passwd",
    "/v1/analyses/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/v1/analyses/{id}/results/../job.json",
    "/v1/analyses/{id}/results/..%2fjob.json",
    "/v1/analyses/{id}/results/job.json",
    "/v1/analyses/{id}/job.json",
    "/v1/analyses/{id}/..%2f..%2fsecret.html",
    "/v1/analyses/./recording",
    f"/v1/analyses/{MISSING}",
    f"/v1/analyses/{MISSING}/events",
    "/v1/pages/..%2fsecret.html",
    "/v1/pages/../secret.html",
    "/v1/pages//etc/passwd",
    "/v1/pages/%00",
    "/v1/pages/.hidden.html",
    "/v1/pages/link.html",
    "/v1/pages/weights.safetensors",
    "/v1/nothing",
    "/nothing",
]


def test_no_path_leads_out(empty):
    (empty.folder.parent / "secret.html").write_text("secret")
    (empty.folder / ".hidden.html").write_text("secret")
    (empty.folder / "weights.safetensors").write_text("secret")
    (empty.folder / "link.html").symlink_to(empty.folder.parent / "secret.html")
    analysis = empty.send().json["id"]
    for path in PATHS:
        answer = empty.get(path.format(id=analysis))
        assert answer.status == 404, path
        assert answer.json["error"]
        assert b"secret" not in answer.body


def test_the_wrong_method_is_refused(studio):
    assert studio.ask("PUT", "/v1/analyses").status == 405
    assert studio.ask("POST", "/v1/runs").status == 405


def test_the_document_describes_every_route(tmp_path):
    pytest.importorskip("starlette", reason="needs the extra serve")
    from deadpan.studio.app import studio_routes
    from deadpan.studio.openapi import openapi

    described = {
        (method.upper(), path): operation
        for path, methods in openapi()["paths"].items()
        for method, operation in methods.items()
    }
    routes = [route for route in studio_routes(tmp_path) if route.include_in_schema]
    assert described.keys() == {
        (method, route.path.replace(":int", ""))
        for route in routes
        for method in route.methods - {"HEAD"}
    }
    for (_, path), operation in described.items():
        named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert operation["summary"]


def test_the_document_is_served_and_whole(studio):
    document = studio.get("/v1/openapi.json").json
    schemas = document["components"]["schemas"]

    def references(value):
        if isinstance(value, dict):
            for key, each in value.items():
                yield from [each] if key == "$ref" else references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    named = {reference.rpartition("/")[2] for reference in references(document)}
    assert named == schemas.keys()
    analysis = studio.send().json
    assert analysis.keys() == {*schemas["Analysis"]["required"]}
    studio.ask("DELETE", f"/v1/analyses/{analysis['id']}")
