"""As much of a hub as huggingface_hub asks for, on the loopback address: its repositories."""

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = (".onnx", ".keras", ".png")  # what the public hub keeps by Git LFS
TOKEN = "hf_of_the_test"


class Hub(ThreadingHTTPServer):
    """What stands there: `commits[repo_id]`, a list of `{path: bytes}`, the newest last."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.commits, self.private, self.large = {}, set(), {}
        self.requests, self.refuses, self.meanwhile = [], False, {}

    def files(self, repo_id, revision="main"):
        """The files of a revision, or None."""
        commits = self.commits[repo_id]
        names = {sha(repo_id, n): files for n, files in enumerate(commits)} | {"main": commits[-1]}
        return names.get(revision)

    def head(self, repo_id):
        """The name of the newest commit."""
        return sha(repo_id, len(self.commits[repo_id]) - 1)


def sha(repo_id, number):
    """The name of a commit."""
    return hashlib.sha1(f"{repo_id} {number}".encode()).hexdigest()


def oid(path, data):
    """The name of a file's content, as Git or Git LFS has it."""
    if path.endswith(LARGE):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def problems(card):
    """What the rules of the hub say against the metadata of a model card."""
    import yaml  # which huggingface_hub brings

    head = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    told = yaml.safe_load(head[1]) if head else None
    if not isinstance(told, dict):
        return ["there are no metadata"]
    texts = [(name, told.get(name, "")) for name in ("license", "library_name", "pipeline_tag")]
    texts += [(name, value) for name in ("tags", "datasets") for value in told.get(name, [])]
    for model in told.get("model-index", []):
        texts.append(("name", model.get("name")))
        for result in model["results"]:
            texts.append(("task", result["task"].get("type")))
            texts += [(name, result["dataset"].get(name)) for name in ("type", "name")]
            texts += [(name, m.get(name)) for m in result["metrics"] for name in ("type", "value")]
    return [
        f"{name} must be text, got {value!r}" for name, value in texts if type(value) is not str
    ]


class Handler(BaseHTTPRequestHandler):
    """The endpoints, each with its method and path."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing is printed."""

    def handle_one(self):
        path = unquote(urlsplit(self.path).path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(f"{self.command} {path}")
        for method, pattern, answer in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in method:
                repo_id = found.groupdict().get("repo")
                if repo_id and repo_id not in self.server.commits:
                    return self.fail(404, "RepoNotFound")
                if repo_id in self.server.private and not self.known:
                    return self.fail(401, "RepoNotFound")
                if method == "POST" and answer is not Handler.validate and not self.known:
                    return self.fail(401, "")
                return answer(self, **found.groupdict())
        return self.fail(404, "")

    do_GET = do_HEAD = do_POST = do_PUT = handle_one  # noqa: N815

    @property
    def known(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def send(self, data, status=200, **headers):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def fail(self, status, code):
        self.send({"error": code}, status, X_Error_Code=code, X_Error_Message=code)

    def create(self):
        told = json.loads(self.body)
        repo_id = f"{told['organization']}/{told['name']}"
        there = repo_id in self.server.commits
        self.server.commits.setdefault(repo_id, [{".gitattributes": b"*.onnx filter=lfs\n"}])
        if told.get("private") or told.get("visibility") == "private":
            self.server.private.add(repo_id)
        self.send({"url": f"{self.server.address}/{repo_id}"}, 409 if there else 200)

    def info(self, repo, revision="main"):
        files = self.server.files(repo, revision or "main")
        if files is None:
            return self.fail(404, "RevisionNotFound")
        siblings = [{"rfilename": path} for path in files]
        commits = len(self.server.commits[repo])
        names = {sha(repo, number) for number in range(commits)}
        head = revision if revision in names else self.server.head(repo)
        if self.server.meanwhile:  # somebody else commits
            self.server.commits[repo].append({**files, **self.server.meanwhile})
        return self.send({"id": repo, "sha": head, "siblings": siblings})

    def validate(self):
        wrong = [{"message": text} for text in problems(json.loads(self.body)["content"])]
        self.send({"errors": wrong, "warnings": []}, 400 if wrong else 200)

    def preupload(self, repo, revision):
        there = self.server.files(repo, revision)
        asked = [file["path"] for file in json.loads(self.body)["files"]]
        files = [
            {
                "path": path,
                "uploadMode": "lfs" if path.endswith(LARGE) else "regular",
                "shouldIgnore": False,
                "oid": oid(path, there[path]) if path in there else None,
            }
            for path in asked
        ]
        self.send({"files": files})

    def batch(self, repo):
        objects = [
            {**told, "actions": {"upload": {"href": f"{self.server.address}/lfs/{told['oid']}"}}}
            for told in json.loads(self.body)["objects"]
        ]
        self.send({"transfer": "basic", "objects": objects})

    def store(self, oid):
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.server.large[oid] = self.body
        self.send({})

    def commit(self, repo, revision):
        head, *told = [json.loads(line) for line in self.body.splitlines()]
        if self.server.refuses or head["value"].get("parentCommit") != self.server.head(repo):
            return self.fail(412, "")
        files = {**self.server.files(repo, revision)}
        for line in told:
            value = line["value"]
            if line["key"] == "deletedFile":
                del files[value["path"]]
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
            else:
                files[value["path"]] = base64.b64decode(value["content"])
        self.server.commits[repo].append(files)
        head = self.server.head(repo)
        return self.send({"commitUrl": f"{self.server.address}/{repo}", "commitOid": head})

    def tree(self, repo, revision):
        entries = []
        for path, data in self.server.files(repo, revision).items():
            entry = {"type": "file", "path": path, "size": len(data), "oid": oid("", data)}
            if path.endswith(LARGE):
                entry["lfs"] = {"oid": oid(path, data), "size": len(data), "pointerSize": 130}
            entries.append(entry)
        self.send(entries)

    def resolve(self, repo, revision, path):
        files = self.server.files(repo, revision)
        if files is None or path not in files:
            return self.fail(404, "RevisionNotFound" if files is None else "EntryNotFound")
        head = self.server.head(repo) if revision == "main" else revision
        data = files[path]
        return self.send(data, ETag=f'"{oid(path, data)}"', X_Repo_Commit=head)


REPO = r"(?P<repo>[^/]+/[^/]+)"
ROUTES = [
    ("POST", "/api/repos/create", Handler.create),
    ("POST", "/api/validate-yaml", Handler.validate),
    ("POST", rf"/api/models/{REPO}/preupload/(?P<revision>.+)", Handler.preupload),
    ("POST", rf"/api/models/{REPO}/commit/(?P<revision>.+)", Handler.commit),
    ("POST", rf"/{REPO}[.]git/info/lfs/objects/batch", Handler.batch),
    ("PUT", "/lfs/(?P<oid>.+)", Handler.store),
    ("GET HEAD", rf"/api/models/{REPO}/tree/(?P<revision>[^/]+)", Handler.tree),
    ("GET HEAD", rf"/api/models/{REPO}(/revision/(?P<revision>.+))?", Handler.info),
    ("GET HEAD", rf"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", Handler.resolve),
]
