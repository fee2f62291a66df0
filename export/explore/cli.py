"""python -m export.explore BUNDLE: the page, on the loopback address or into a folder."""

from pathlib import Path

from export.explore import server, site
from keras_vae.cli import Parser, status_of
from keras_vae.output import patiently

PORT = 8017  # always the same, so that the browser keeps onnxruntime-web between two calls


def main(arguments=None):
    """Runs the command line and returns its exit status.

    0: the folder is written. 2: one line on stderr says what is wrong. 130: it served until it was
    interrupted.

    Example:

    >>> main(["nowhere"])
    2
    """
    return patiently(_main, arguments)


def _main(arguments):
    return status_of(_run, _parser().parse_args(arguments))


def _run(options):
    if not 0 <= options.port < 2**16:
        raise ValueError(f"--port must be a number from 0 to 65535, got {options.port}")
    found = site.files(options.bundle, options.runtime)
    if options.out:
        site.write(found, options.out)
        print(f"wrote {options.out}: open its index.html by way of any web server")
        return
    with server.server(found, options.port) as serving:
        address, port = serving.server_address[:2]
        print(f"http://{address}:{port}/ shows {options.bundle}; Ctrl-C ends it", flush=True)
        serving.serve_forever()


def _parser():
    parser = Parser(
        prog="python -m export.explore",
        description="Explore the latents of an exported VAE in a browser.",
    )
    parser.add_argument("bundle", type=Path, help="the folder that python -m export wrote")
    parser.add_argument(
        "--runtime",
        type=Path,
        metavar="DIR",
        help="onnxruntime-web's files; by default those in ./node_modules",
    )
    parser.add_argument("--port", type=int, default=PORT, help="of the loopback address; 0: any")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the page instead")
    return parser
