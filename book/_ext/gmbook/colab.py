"""The plain edition as Colab runs it: ``python -m gmbook.colab [NOTEBOOK ...]``.

An environment of its own in ``_build/colab`` with the newest torch already there and a ``google.colab`` to import; no
repository on the path; the working directory is ``/content`` where there is one. Each notebook's own first
cell installs gmlib, by git: from this repository's last commit, which git takes for the public one. Data and weights come
from a local server that stands for the mirror, into an empty cache. In the end torch must be the one that was there, file
for file.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from gmbook.execute import QUIET
from gmbook.house import BUILD, PLAIN, ROOT, address, notebooks

PLACE = BUILD / "colab"
THERE = ("torch", "numpy", "scipy", "matplotlib", "scikit-learn", "tqdm", "ipykernel", "ipywidgets")
"""What Colab has before a notebook starts, as far as the book touches it."""
GOOGLE = '''"""Colab's module, as far as notebooks ask for it."""


class output:
    """Colab's switch for widgets of other makers."""

    enable_custom_widget_manager = staticmethod(lambda: None)
'''


class ColabError(RuntimeError):
    """The environment could not be made, or was not left as it was."""


def python() -> Path:
    """The interpreter of that environment."""
    return PLACE / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _ask(*arguments: str) -> str:
    done = subprocess.run(
        [str(python()), *arguments], cwd=PLACE, env=_bare(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ColabError(f"{' '.join(arguments[:4])} ...: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout.strip()


def _bare() -> dict[str, str]:
    """This process's environment without what belongs to the repository."""
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "GMLIB_", "OMP_", "MPLBACKEND", "JUPYTER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def make() -> str:
    """Make the environment anew; the version of the torch that it starts with.

    Raises:
        ColabError: a package could not be installed, for example without a network.
    """
    shutil.rmtree(PLACE, ignore_errors=True)
    (PLACE / "home").mkdir(parents=True)
    print(f"  an environment with the newest {', '.join(THERE)}", flush=True)
    venv.create(PLACE / "env", with_pip=True)
    _ask("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *THERE)
    site = Path(_ask("-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"))
    (site / "google" / "colab").mkdir(parents=True, exist_ok=True)
    (site / "google" / "colab" / "__init__.py").write_text(GOOGLE, "utf8")
    _ask("-m", "ipykernel", "install", "--prefix", str(PLACE / "env"), "--name", "colab")
    return _ask("-c", "import torch; print(torch.__version__)")


def torch_files() -> str:
    """A hash of the files of torch, as its installer listed them."""
    listing = "from importlib.metadata import files; print(*[f.locate() for f in files('torch')], sep='\\n')"
    digest = hashlib.sha256()
    for name in sorted(_ask("-c", listing).splitlines()):
        path = Path(name)
        if path.suffix != ".pyc" and path.is_file():
            facts = path.stat()
            digest.update(f"{name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


class _Mirror(http.server.SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path.lstrip("/"))
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


@contextmanager
def mirror() -> Iterator[tuple[str, list[str]]]:
    """A server of ``assets/``: its address, and what was asked of it so far."""
    asked: list[str] = []
    handler = type("Mirror", (_Mirror,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(ROOT / "assets"))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def surroundings(assets: str) -> dict[str, str]:
    """The environment variables of a kernel: an empty home, this repository in place of the public one, the mirror."""
    return {
        **_bare(),
        "HOME": str(PLACE / "home"),
        "XDG_CACHE_HOME": str(PLACE / "home" / ".cache"),
        "JUPYTER_PATH": str(PLACE / "env" / "share" / "jupyter"),
        "GMLIB_ASSETS_URL": assets,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{ROOT.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address("Repository"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def run(path: Path, content: Path, environment: dict[str, str]) -> str:
    """Run one notebook of the plain edition; what went wrong, or an empty string.

    What it writes to stderr went wrong, but for the news that a file is downloaded from the mirror.
    """
    notebook = nbformat.read(path, 4)
    client = NotebookClient(
        notebook,
        timeout=900,
        kernel_name="colab",
        resources={"metadata": {"path": str(content)}},
        extra_arguments=QUIET,
    )
    try:
        client.execute(env=environment)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return str(error)
    found = [o.text for c in notebook.cells for o in c.get("outputs", []) if o.get("name") == "stderr"]
    news = f"Downloading data from '{environment['GMLIB_ASSETS_URL']}/"
    return "".join(line for line in "".join(found).splitlines(keepends=True) if not line.startswith(news))


def main(arguments: list[str]) -> int:
    """Run the given notebooks (default: all of the plain edition); 1 when one fails or torch was replaced."""
    parser = argparse.ArgumentParser(prog="python -m gmbook.colab", description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="names, such as 02_elbo (default: all)")
    chosen = parser.parse_args(arguments)
    names = [path.stem for path in notebooks()]
    if unknown := set(chosen.notebooks) - set(names):
        parser.error(f"no such notebook: {', '.join(sorted(unknown))}")
    paths = [PLAIN / f"{name}.ipynb" for name in chosen.notebooks or names]
    if missing := [path.name for path in paths if not path.exists()]:
        parser.error(f"the plain edition has no {', '.join(missing)}: make notebooks")
    had, files = make(), torch_files()
    content = Path("/content")  # where there is one, as in Colab
    if not os.access(content, os.W_OK):
        content = PLACE / "content"
        content.mkdir()
    os.environ["JUPYTER_PATH"] = str(PLACE / "env" / "share" / "jupyter")
    failed = 0
    with mirror() as (assets, asked):
        for path in paths:
            begin = time.perf_counter()
            _ask(
                "-m", "pip", "uninstall", "--quiet", "--yes", "gmlib"
            )  # each notebook's first cell brings it
            problem = run(path, content, surroundings(assets))
            failed += bool(problem)
            print(f"  {path.stem}: {problem or f'{time.perf_counter() - begin:.0f} s'}", flush=True)
    where = _ask("-c", "import gmlib; print(gmlib.__file__)")
    if not Path(where).is_relative_to(PLACE / "env"):
        raise ColabError(f"gmlib came from {where}, and not from the environment")
    if not asked and not chosen.notebooks:
        raise ColabError("nothing was asked of the mirror: data and weights came from somewhere else")
    print(f"  gmlib in {where}; from the mirror: {len(asked)} files, {len(set(asked))} of them different")
    if (now := _ask("-c", "import torch; print(torch.__version__)")) != had or torch_files() != files:
        raise ColabError(f"torch {had} was there, and torch {now} is there now: other files")
    print(f"  torch {had} is untouched; {len(paths) - failed} of {len(paths)} notebooks ran")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ColabError as error:
        sys.exit(f"colab: {error}")
