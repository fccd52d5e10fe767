"""What every test shares: the shape checker, one torch thread, and the `gpu` marker's honest skip.

Modules that annotate shapes run with jaxtyping's annotations checked by beartype, in each test for its first tenth of a
second: what comes later repeats the same calls, and a third of the time would go into checking them. Tests marked
`bad_input` ask what a *user* sees, who runs without the checker; `make test` runs them in a second process with
JAXTYPING_DISABLE=1.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

CHECK_TYPES = os.environ.get("JAXTYPING_DISABLE", "0") not in ("1", "true", "True")
if CHECK_TYPES:
    from jaxtyping import config as shapes
    from jaxtyping import install_import_hook

    GMLIB = Path(__file__).resolve().parents[1] / "gmlib"
    shaped = [path for path in GMLIB.rglob("*.py") if "from jaxtyping import" in path.read_text("utf8")]
    names = [path.relative_to(GMLIB.parent).with_suffix("").as_posix().replace("/", ".") for path in shaped]
    install_import_hook(names, "lazily.checked")
    signal.signal(signal.SIGVTALRM, lambda *_: shapes.update("jaxtyping_disable", True))

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """Check shapes anew, until this process has worked for a tenth of a second on the test."""
    if not CHECK_TYPES:
        yield
        return
    shapes.update("jaxtyping_disable", False)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.1)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep `bad_input` for the run without the shape checker, and skip `gpu` where there is none."""
    unwanted = [i for i in items if ("bad_input" in i.keywords) == CHECK_TYPES]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [i for i in items if i not in unwanted]
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond 64 kB: a disk that is full in the middle of a write, as the operating system tells it."""
    resource = pytest.importorskip("resource", reason="only POSIX limits the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def generator() -> torch.Generator:
    """A fresh seeded CPU generator."""
    return torch.Generator().manual_seed(0)
