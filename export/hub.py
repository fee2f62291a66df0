"""Bundles on the Hugging Face Hub, or on a server that speaks as it does: `push` and `load`.

    pip install "keras-vae[hub]"

It loads neither Keras nor TensorFlow. `keras_vae.hub` is the same by another name.
"""

import os
import re
import textwrap
import zipfile
from contextlib import contextmanager
from pathlib import Path

import keras_vae
from export import metadata
from export.explore import site
from export.runtime import OnnxVAE, manifest, sessions
from keras_vae.folders import MODEL

SHOWN = ("README.md", "samples.png")
GRAPHS = "|".join((*site.STEMS, "elements", "imputer"))
PAGE = "|".join(re.escape(page.name) for page in site.PAGE.iterdir())
OURS = re.compile(
    rf"({GRAPHS})(_[a-z0-9]+)?[.]onnx|samples[.]png|model[.]keras|explorer/((bundle|runtime)/.+|{PAGE})"
)
"""What an earlier push may have put there: without it in this one, it is of another model."""


def push(
    bundle,
    repo_id,
    *,
    model=None,
    explorer=None,
    license=None,
    datasets=None,
    private=None,
    revision=None,
    token=None,
    endpoint=None,
):
    """Puts a bundle on the hub, in one commit: all of it, or nothing.

    The README.md becomes the model card: metadata come above its text, from the manifest alone. All
    files are checked before the hub is asked for anything. Files of an earlier bundle that this one
    does not hold are removed by the same commit; all else that stands there stays.

    Args:
        bundle: the folder that `vae.export` or `python -m export` wrote.
        repo_id: the place, `"user/name"`; it is made if it is not there.
        model: the `.keras` file of the model, to be put beside the bundle as model.keras.
        explorer: True, or the folder of onnxruntime-web's files: adds the latent explorer as the
            folder `explorer/`, 14 MB. True looks for them in ./node_modules.
        license: of the model, by the hub's name, such as `"apache-2.0"`.
        datasets: the names on the hub of the data, a list; those that the manifest implies if None.
        private: whether others may not see it, where the place is made; None: as the account says.
        revision: the branch; the main one if None. It must be there.
        token: of the account, with write access; if None, the one of `hf auth login` or `HF_TOKEN`.
        endpoint: the address of another server; if None, `HF_ENDPOINT` or the public hub.

    Returns:
        The `huggingface_hub.CommitInfo`; its `oid` is a revision for `load`.

    Raises:
        ValueError: the folder is no bundle, or damaged; the name is malformed; there is no token;
            huggingface_hub is not installed.
        OSError: a file cannot be read, the hub cannot be reached, or it refuses.
    """
    api, folder = _api(repo_id, token, endpoint), Path(bundle)
    told = _checked(folder)
    files = {name: folder / name for name in ("manifest.json", "samples.png", *told["files"])}
    files = {name: file for name, file in files.items() if file.is_file()}
    if model is not None:
        files[MODEL] = _model(Path(model))
    if explorer:
        page = site.files(folder, None if explorer is True else Path(explorer))
        files |= {f"explorer/{place}": file for place, file in page.items()}
    given = {"model": model is not None, "license": license, "datasets": datasets}
    readme = (folder / "README.md").read_text(encoding="utf-8")
    files["README.md"] = metadata.text(readme, told, repo_id, **given).encode()
    _check_token(token)
    with _in_one_line(f"push to {repo_id}"):
        api.create_repo(repo_id, private=private, exist_ok=True)
        return _commit(api, repo_id, revision, files)


def load(repo_id, revision=None, precision="float32", *, token=None, endpoint=None):
    """Downloads a bundle from the hub, checks it, and returns its `export.runtime.OnnxVAE`.

    Of what stands there, the files of the bundle alone are downloaded, into the cache of
    huggingface_hub: the next call downloads what has changed, or takes what is there if the hub
    cannot be reached. `vae.path` is the folder, a whole bundle. A stranger's is as safe as
    SECURITY.md says.

    Args:
        repo_id: the place, `"user/name"`.
        revision: a branch, a tag or a commit; the main branch if None.
        precision: as in `OnnxVAE`.
        token, endpoint: as in `push`; of a public place no token is needed.

    Raises:
        ValueError: the name is malformed; what is there is no bundle, or not the one that its
            manifest describes; it has no files of that precision; huggingface_hub is not installed.
        OSError: the hub cannot be reached, or has nothing there that you may see.

    Example:

    >>> load("digits")
    Traceback (most recent call last):
    ValueError: repo_id must be "user/name", got 'digits'
    """
    api = _api(repo_id, token, endpoint)
    with _in_one_line(f"load {repo_id}"):
        folder = Path(api.hf_hub_download(repo_id, "manifest.json", revision=revision)).parent
    names = [*manifest.read(folder)["files"], *SHOWN]
    with _in_one_line(f"load {repo_id}"):  # of the very commit that the manifest is of
        api.snapshot_download(repo_id, revision=folder.name, allow_patterns=names)
    _checked(folder)
    return OnnxVAE(folder, precision=precision)


def _api(repo_id, token, endpoint):
    """What talks to the hub, once the name is known to be one."""
    malformed = f'repo_id must be "user/name", got {repo_id!r}'
    if str(repo_id).count("/") != 1:
        raise ValueError(malformed)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # unless Keras has loaded it before
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import HFValidationError, validate_repo_id
    except ImportError as error:
        told = 'the hub is reached by huggingface_hub: pip install "keras-vae[hub]"'
        raise ValueError(told) from error
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise ValueError(f"{malformed}: {error}") from error
    version = keras_vae.__version__
    return HfApi(endpoint, token, library_name=metadata.LIBRARY, library_version=version)


def _checked(folder):
    """The manifest of a bundle, every file of which is there and has its checksum."""
    told = manifest.read(folder)
    for name, entry in told["files"].items():
        sessions.read(folder / name, entry)
    return told


def _model(path):
    if not (path.is_file() and zipfile.is_zipfile(path)):
        raise ValueError(f"model must be a .keras file, as vae.save writes it, got {path}")
    return path


def _check_token(token):
    from huggingface_hub import get_token

    if not (token or get_token()):
        raise ValueError(
            "there is no token to push with: run hf auth login, set HF_TOKEN, or give token=..."
        )


def _commit(api, repo_id, revision, files):
    """One commit, on top of what was seen to be there: another's in the meantime refuses it."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    there = api.model_info(repo_id, revision=revision)
    names = {file.rfilename for file in there.siblings or ()}
    gone = sorted(name for name in names - set(files) if OURS.fullmatch(name))
    return api.create_commit(
        repo_id,
        [
            *(CommitOperationDelete(name) for name in gone),
            *(CommitOperationAdd(name, file) for name, file in sorted(files.items())),
        ],
        commit_message=f"Push a bundle of keras-vae {keras_vae.__version__}",
        revision=revision,
        parent_commit=there.sha,
    )


@contextmanager
def _in_one_line(what):
    """Makes one line of what huggingface_hub raises: its errors are of many kinds and lines."""
    try:
        yield
    except Exception as error:
        told = textwrap.shorten(f"{type(error).__name__}: {error}", 400, placeholder=" ...")
        raise OSError(f"cannot {what}: {told}") from error
