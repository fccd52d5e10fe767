"""Build the pages, warnings as errors: ``python -m gmbook.build [--fresh]``.

After a build that went well only the pages are read anew whose sources have changed. Sphinx reports a page's warnings only
when it reads that page, so after a build that failed or was broken off all pages are read, and so they are after a change
of the book's machinery or of gmlib. ``--fresh`` (the check, and so what is published) always begins with nothing: what one
page's change does to the links of another is found out only there.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from gmbook import downloads, weight
from gmbook.house import BUILD, HTML, ROOT

WHOLE = BUILD / "whole-build"
"""Names the machinery of the last build, if that went well."""


def machinery(root: Path = ROOT) -> str:
    """A digest of what any page may depend on: settings, versions, the list of pages, the extension, gmlib."""
    places = ["_config.yml", "_toc.yml", "requirements.txt", "book/_ext", "gmlib"]
    found = hashlib.sha256(sys.version.encode())
    for place in places:
        for path in sorted([root / place, *(root / place).rglob("*")]):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def main(arguments: list[str]) -> int:
    """Run Jupyter Book; print warnings and errors as they come; 1 when there is any."""
    parser = argparse.ArgumentParser(prog="python -m gmbook.build", description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="forget what was built before")
    fresh, now = parser.parse_args(arguments).fresh, machinery()
    if fresh or not WHOLE.exists() or WHOLE.read_text("utf8") != now:
        for old in (HTML, BUILD / ".doctrees"):
            shutil.rmtree(old, ignore_errors=True)
    else:
        print("  only what has changed (all of it: python -m gmbook.build --fresh)", flush=True)
        downloads.forget()
    WHOLE.unlink(missing_ok=True)
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(ROOT), "-W", "--keep-going", "--quiet"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout + result.stderr)
    complaints = [line for line in plain.splitlines() if re.search(r"WARNING|ERROR|[Ee]rror:", line)]
    if result.returncode or not (HTML / "index.html").exists():
        print("\n".join(complaints or plain.splitlines()[-40:]))
        return 1
    WHOLE.write_text(now, "utf8")
    downloads.refresh()
    pages = len(list(HTML.rglob("*.html")))
    size = sum(file.stat().st_size for file in HTML.rglob("*") if file.is_file())
    print(f"  {pages} pages, {size / 2**20:.1f} MB; sent for a page, gzipped:")
    weight.main()
    print(
        f"\nThe book is built. Open {(HTML / 'index.html').as_uri()}\nor run `make serve` and open http://localhost:8000"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
