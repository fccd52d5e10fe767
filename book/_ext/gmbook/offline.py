"""The site as a zip to take along: ``python -m gmbook.offline``; the pages' footers then offer it."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from gmbook import downloads, imprint
from gmbook.house import HTML, address
from gmlib._files import replacing

FOLDER = "generative-models-live"
NOTE = """Generative Models, Live - version {version}, {date}

Open index.html in a browser. Text, figures, mathematics, widgets and the search work from the disk, without a network and
without an installation; nothing is asked of any other site. Only links to other sites need the network.

If your browser refuses something from the disk (some do for the widgets), serve the folder on your own machine instead,
with any Python 3:

    python3 serve.py

and open http://localhost:8000 (Ctrl-C ends). The same pages are at {site}
"""
SERVE = '''"""Serve this folder on this machine only: python3 serve.py, then open http://localhost:8000"""

import functools
import http.server
import pathlib

here = str(pathlib.Path(__file__).resolve().parent)
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=here)
print("http://localhost:8000 (Ctrl-C ends)")
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), handler).serve_forever()
'''


def pack(target: Path) -> None:
    """Write the zip: every file of the site, a note and a server of three lines."""
    note = NOTE.format(version=imprint.version(), date=imprint.date(), site=address("Documentation"))
    paths = [path for path in sorted(HTML.rglob("*")) if path.is_file() and path.name != downloads.ZIP]
    with replacing(target) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{FOLDER}/README.txt", note)
        archive.writestr(f"{FOLDER}/serve.py", SERVE)
        for path in paths:
            name = path.relative_to(HTML).as_posix()
            if path.suffix == ".html":
                archive.writestr(
                    f"{FOLDER}/{name}", downloads.offered(name, path.read_text("utf8"), archive=False)
                )
            else:
                archive.write(path, f"{FOLDER}/{name}")


def main() -> int:
    """Write the zip into the site and offer it under every page."""
    if not (HTML / "index.html").exists():
        print("There is no site yet: make book")
        return 1
    target = HTML / downloads.ZIP
    pack(target)
    print(f"  {target.relative_to(HTML.parent.parent)}: {target.stat().st_size / 1e6:.1f} MB")
    downloads.refresh()
    return 0


if __name__ == "__main__":
    sys.exit(main())
