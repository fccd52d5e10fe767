"""Kernels that begin with what every notebook imports: forks of a process that has loaded it once.

A kernel of its own loads torch, its compiler (which the first optimiser wants), matplotlib and scikit-learn for six
seconds before it computes anything, in each of two dozen notebooks. No part of gmlib that a notebook uses is loaded ahead,
and no name is defined: a notebook that forgets an import fails here too.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import signal
import sys
import time
import traceback
import warnings
from contextlib import suppress
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

FORKS = sys.platform == "linux"
"""Whether kernels are forks: Windows knows none, and on a Mac libraries break in them."""
SHARED = ("torch", "torch._dynamo", "matplotlib.pyplot", "sklearn.datasets", "IPython", "ipykernel.kernelapp")
NAME = "gmbook-forked"


class Fork:
    """A child of this process, as `LocalProvisioner` asks a ``Popen`` for one."""

    stdin = stdout = stderr = None

    def __init__(self, arguments: list[str], folder: str | None, environment: dict[str, str]) -> None:
        """Fork a kernel with these arguments of ``ipykernel_launcher``."""
        self.returncode: int | None = None
        # It ends when this process does.
        arguments = [*arguments, f"--IPKernelApp.parent_handle={os.getpid()}"]
        self.pid = os.fork()
        if self.pid == 0:
            _become_a_kernel(arguments, folder, environment)

    def poll(self) -> int | None:
        """The exit code, or None while it lives."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self) -> int:
        """The exit code, as soon as there is one."""
        while (code := self.poll()) is None:
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it lives: its number may be another's after its end."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def _become_a_kernel(arguments: list[str], folder: str | None, environment: dict[str, str]) -> None:
    """Run a kernel in this fork as ``python -W ignore::DeprecationWarning -m ipykernel_launcher`` would; never returns."""
    code = 1
    try:
        atexit._clear()  # what the parent is to do at its end
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        asyncio.set_event_loop(asyncio.new_event_loop())  # the parent's is running, in the parent
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(folder or ".")
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["ipykernel_launcher", *arguments]
        if not sys.flags.safe_path:
            del sys.path[0]  # the folder from which the parent was started
        sys.warnoptions.append("ignore::DeprecationWarning")
        warnings.simplefilter("ignore", DeprecationWarning)
        from ipykernel.kernelapp import IPKernelApp

        IPKernelApp.launch_instance(arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        with suppress(BaseException):
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class Forked(LocalProvisioner):
    """Starts a kernel as a fork of this process instead of a program of its own."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork; the command is ``python ... -m ipykernel_launcher -f FILE ...``."""
        process: Any = Fork(cmd[cmd.index("-f") :], kwargs.get("cwd"), kwargs["env"])
        self.process, self.pid, self.pgid = process, process.pid, process.pid
        return self.connection_info


def prepare() -> None:
    """Load what is shared; kernels that this process or its children start are forks from now on, where those work."""
    if not FORKS:
        return
    # As a kernel would set it, before matplotlib reads it.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    for name in SHARED:
        import_module(name)
    gc.collect()
    gc.freeze()  # a kernel's collections then leave these objects' pages shared
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:{Forked.__name__}", factory.GROUP_NAME)
    factory.default_provisioner_name = NAME
