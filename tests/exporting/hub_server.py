"""A stand-in for the Hugging Face Hub: what pushing a repository and fetching it again need."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HubServer(ThreadingHTTPServer):
    """Keeps repositories in memory.

    Attributes:
        repositories: the files of each, by name; ``private`` names those that are.
        tokens: what asked for something presented.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories, self.private, self.tokens = {}, set(), set()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _answer(self, status, content=b"", **headers):
        if isinstance(content, dict | list):
            content = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.pop("length", len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _parts(self):
        self.server.tokens.add(self.headers.get("Authorization", ""))
        return self.path.partition("?")[0].strip("/").split("/")

    def _not_found(self):
        self._answer(
            404, b"{}", X_Error_Code="RepoNotFound", X_Error_Message="Repository not found"
        )

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match self._parts():
            case ["api", "repos", "create"]:
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}"
                if asked.get("private") or asked.get("visibility") == "private":
                    self.server.private.add(name)
                self.server.repositories.setdefault(name, {})
                self._answer(200, {"url": f"{self.server.address}/{name}"})
            case ["api", "validate-yaml"]:
                self._answer(200, {"errors": [], "warnings": []})
            case ["api", "models", owner, name, "preupload", _]:
                if f"{owner}/{name}" not in self.server.repositories:
                    self._not_found()
                    return
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self._answer(200, {"files": files})
            case ["api", "models", owner, name, "commit", _]:
                files = self.server.repositories[f"{owner}/{name}"]
                for line in body.splitlines():
                    item = json.loads(line)
                    if item["key"] == "file":
                        files[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
                url = f"{self.server.address}/{owner}/{name}/commit/{_sha(files)}"
                self._answer(200, {"commitUrl": url, "commitOid": _sha(files)})
            case _:
                self._answer(404, b"{}")

    def do_GET(self):
        match self._parts():
            case ["api", "models", owner, name, "tree", _]:
                files = self.server.repositories[f"{owner}/{name}"]
                listed = [
                    {"type": "file", "path": path, "size": len(content), "oid": _sha({"": content})}
                    for path, content in files.items()
                ]
                self._answer(200, listed)
            case ["api", "models", owner, name, *revision]:
                files = self.server.repositories.get(f"{owner}/{name}")
                if files is None:
                    self._not_found()
                elif revision and revision[1] not in ("main", _sha(files)):
                    self._answer(404, b"{}", X_Error_Code="RevisionNotFound")
                else:
                    siblings = [{"rfilename": path} for path in files]
                    about = {"id": f"{owner}/{name}", "sha": _sha(files), "siblings": siblings}
                    self._answer(200, about)
            case [owner, name, "resolve", _, *path]:
                files = self.server.repositories.get(f"{owner}/{name}", {})
                content = files.get("/".join(path))
                if content is None:
                    self._answer(404, b"{}", X_Error_Code="EntryNotFound")
                else:
                    etag = hashlib.sha1(content).hexdigest()
                    self._answer(200, content, ETag=f'"{etag}"', X_Repo_Commit=_sha(files))
            case _:
                self._not_found()

    do_HEAD = do_GET


def _sha(files):
    return hashlib.sha1(b"".join(files[name] for name in sorted(files))).hexdigest()


@contextmanager
def serving():
    """The server, in a thread, until the end of the block."""
    with HubServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
