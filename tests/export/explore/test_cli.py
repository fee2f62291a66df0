"""`python -m export.explore`: one clear line for what is wrong, and no Keras."""

import http.client
import json
import re
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


@pytest.mark.parametrize("installed", ["runtime", "here", "bundle"])
def test_onnxruntime_web_is_found(bundle, fake, monkeypatch, installed):
    if installed == "here":
        monkeypatch.chdir(fake)
    if installed == "bundle":
        (fake / "node_modules").rename(bundle / "node_modules")
    given = fake / site.INSTALLED if installed == "runtime" else None
    assert set(site.RUNTIME) <= {p.name for p in site.runtime_folder(bundle, given).iterdir()}


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
        again = {"If-Modified-Since": answer.headers["Last-Modified"]}
        assert get("/bundle/manifest.json", **again)[0].status == 304
        assert get("/")[0].headers["Content-Type"] == "text/html; charset=utf-8"
        wasm = get("/runtime/ort-wasm-simd-threaded.wasm")[0]
        assert wasm.headers["Content-Type"] == "application/wasm"
        for place in ("/bundle/README.md", "/../cli.py", "/bundle/../../cli.py", "/%2e%2e/cli.py"):
            assert get(place)[0].status == 404, place
        connection.close()


def test_it_loads_neither_keras_nor_tensorflow():
    code = (
        "import sys; from export.explore import cli; cli.main(['nowhere'])\n"
        "print({'keras', 'tensorflow', 'jax', 'torch', 'onnx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"
