"""Build the pages from scratch, warnings as errors: ``python -m gmbook.build``.

From scratch, because Sphinx reports a page's warnings only when it reads that page: a second, incremental build would
pass where the first one failed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from gmbook import weight
from gmbook.house import BUILD, HTML, ROOT


def main() -> int:
    """Run Jupyter Book; print warnings and errors as they come; 1 when there is any."""
    for old in (HTML, BUILD / ".doctrees"):
        shutil.rmtree(old, ignore_errors=True)
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(ROOT), "-W", "--keep-going", "--quiet"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout + result.stderr)
    complaints = [line for line in plain.splitlines() if re.search(r"WARNING|ERROR|[Ee]rror:", line)]
    if result.returncode or not (HTML / "index.html").exists():
        print("\n".join(complaints or plain.splitlines()[-40:]))
        return 1
    pages = len(list(HTML.rglob("*.html")))
    size = sum(file.stat().st_size for file in HTML.rglob("*") if file.is_file())
    print(f"  {pages} pages, {size / 2**20:.1f} MB; sent for a page, gzipped:")
    weight.main()
    print(
        f"\nThe book is built. Open {(HTML / 'index.html').as_uri()}\nor run `make serve` and open http://localhost:8000"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
