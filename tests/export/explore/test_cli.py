"""`python -m export.explore`: one clear line for what is wrong, and no Keras."""

import http.client
import json
import os
import re
import socket
import struct
import subprocess
import sys

import pytest

from export.explore import cli, server, site


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A folder in which npm installed onnxruntime-web, as far as its names go."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "npm" / site.INSTALLED
    folder.mkdir(parents=True)
    for name in site.RUNTIME:
        (folder / name).write_bytes(b"none")
    return tmp_path / "npm"


def test_it_writes_a_folder_whole_that_holds_all_it_needs(exported, fake, tmp_path, capsys):
    out = tmp_path / "page"
    assert cli.main([str(exported), "--runtime", str(fake), "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"wrote {out}")
    held = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert held == set(site.files(exported, fake))
    page = (out / "index.html").read_text()
    assert set(re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page)) <= held
    scripts = [path.read_text() for path in out.glob("*.js")]
    assert {name for text in scripts for name in re.findall(r'"\./([^"]+)"', text)} <= held
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page + "".join(scripts))


@pytest.mark.parametrize("installed", ["runtime", "here"])
def test_onnxruntime_web_is_found(fake, monkeypatch, installed):
    if installed == "here":
        monkeypatch.chdir(fake)
    given = fake / site.INSTALLED if installed == "runtime" else None
    assert set(site.RUNTIME) <= {p.name for p in site.runtime_folder(given).iterdir()}


def test_no_javascript_of_a_bundle_is_served(bundle, fake, error_line):
    (fake / "node_modules").rename(bundle / "node_modules")
    assert cli.main([str(bundle), "--out", "page"]) == 2
    assert error_line().startswith("the page needs onnxruntime-web, which is not in ./node_modules")


def test_what_is_wrong_is_one_line(exported, fake, tmp_path, error_line):
    (tmp_path / "other.txt").write_text("none")
    given = ["--runtime", str(fake)]
    for arguments, told in {
        ("nowhere",): "nowhere is not a folder: give the folder that python -m export wrote",
        ("other.txt",): "other.txt is not a folder: give the folder that python -m export wrote",
        (str(fake),): f"{fake} is not a keras-vae bundle: it holds no manifest.json",
        (str(exported),): "the page needs onnxruntime-web, which is not in ./node_modules: run npm "
        "install onnxruntime-web, or give --runtime DIR, the folder that holds its files",
        (str(exported), "--runtime", "."): ". holds no onnxruntime-web (ort.wasm.bundle.min.mjs): "
        f"give --runtime {site.INSTALLED}, after npm install onnxruntime-web",
        (str(exported), *given, "--port", "65536"): "--port must be a number from 0 to 65535, got "
        "65536",
        (str(exported), *given, "--out", "."): f"cannot write {tmp_path}: it is there already; "
        "choose another folder",
    }.items():
        assert cli.main([*arguments]) == 2, arguments
        assert error_line() == told


def test_a_port_that_is_taken_is_one_line(exported, fake, error_line):
    with server.server({}, 0) as other:
        port = other.server_address[1]
        assert cli.main([str(exported), "--runtime", str(fake), "--port", str(port)]) == 2
    assert error_line().startswith(f"cannot serve on port {port}: Address already in use")


def test_a_file_that_changed_is_refused(bundle, fake, error_line):
    (bundle / "decoder.onnx").write_bytes(b"other")
    assert cli.main([str(bundle), "--runtime", str(fake)]) == 2
    assert error_line().startswith(f"{bundle / 'decoder.onnx'} is not the file that the manifest")


def test_the_server_gives_its_files_alone_and_to_the_loopback_address(exported, fake, serve):
    with serve(site.files(exported, fake)) as address:
        host = address.removeprefix("http://").rstrip("/")
        assert host.startswith("127.0.0.1:")
        connection = http.client.HTTPConnection(host, timeout=10)

        def get(place, **headers):
            connection.request("GET", place, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read()

        answer, body = get("/bundle/manifest.json")
        assert json.loads(body)["format"] == "keras-vae"
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        again = {"If-None-Match": answer.headers["ETag"]}
        assert get("/bundle/manifest.json", **again)[0].status == 304
        for name, status in {
            "localhost:1": 200,
            "LOCALHOST": 200,
            "evil.example:8017": 403,
        }.items():
            assert get("/bundle/manifest.json", Host=name)[0].status == status, name
        assert get("/")[0].headers["Content-Type"] == "text/html; charset=utf-8"
        wasm = get("/runtime/ort-wasm-simd-threaded.wasm")[0]
        assert wasm.headers["Content-Type"] == "application/wasm"
        for place in ("/bundle/README.md", "/../cli.py", "/bundle/../../cli.py", "/%2e%2e/cli.py"):
            assert get(place)[0].status == 404, place
        connection.close()


def test_another_file_at_the_same_address_is_sent_whatever_its_date(tmp_path, serve):
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_text(path.name)
    tag = None
    for path, when in [(paths[0], 2e9), (paths[1], 1e9), (paths[0], 1e9), (paths[0], 3e9)]:
        os.utime(path, (when, when))
        with serve({"bundle/decoder.onnx": path}) as address:
            connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"))
            # What a browser sends of the bundle before, dates of the future too.
            kept = {"If-None-Match": tag, "If-Modified-Since": "Mon, 01 Jan 2125 00:00:00 GMT"}
            connection.request("GET", "/bundle/decoder.onnx", headers=kept if tag else {})
            answer = connection.getresponse()
            assert (answer.status, answer.read().decode()) == (200, path.name)
            tag = answer.headers["ETag"]
            connection.close()


def test_a_page_that_is_closed_during_a_load_is_no_error(tmp_path, serve, capfd):
    def make(files, port):
        made = server.server(files, port)
        made.daemon_threads = False  # its end waits for them
        return made

    (tmp_path / "large").write_bytes(bytes(2**24))
    with serve({"large": tmp_path / "large"}, make) as address:
        port = int(address.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as browser:
            browser.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            browser.recv(1)
            # Closed by a reset, as of a tab.
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert capfd.readouterr().err == ""


def test_it_loads_neither_keras_nor_tensorflow():
    code = (
        "import sys; from export.explore import cli; cli.main(['nowhere'])\n"
        "print({'keras', 'tensorflow', 'jax', 'torch', 'onnx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"
