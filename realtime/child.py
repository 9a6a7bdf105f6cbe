"""A process of its own for what may hang or crash: how it is started, heard, quoted and ended.

The two sides share a pipe, on which the child says ``("ready", ...)``, ``("done", ...)``, ``("failed", kind,
sentence)`` and whatever else its owner understands, and a ``ChildLog`` that takes what the child's libraries print. The
child ends when its pipe closes, so that it never outlives the application.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import current_process, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from duet import errors
from duet.errors import DuetError
from realtime import topology
from realtime.child_log import ChildLog
from realtime.priority import take_rank

_LAST_WORDS_S = 1.0
"""For a process to end after it closed its pipe."""
_KILLED_S = 1.0
_ROUTINE = ("I0000", "W0000", "INFO:", "WARNING:", "ALSA lib")


def spawn(
    name: str,
    target: Callable[[Any, Any, Connection, ChildLog], None],
    task: object,
    names: tuple[str, ...],
    log: ChildLog,
    *,
    at_once: bool = False,
) -> tuple[BaseProcess, Connection]:
    """Start ``target(task, names of shared memory, control, log)``; the process and our end of the pipe.

    OSError where the system has no room for another process.

    ``at_once``: for a process that is started often and imports little. Where the system allows it is forked from a
    server that has imported ``target``'s module and nothing else, in milliseconds.
    """
    # Never forked from here: that would copy threads' locks and the OpenGL context in unknown states.
    context = get_context("spawn")
    if at_once and sys.platform.startswith("linux"):
        context = get_context("forkserver")
        context.set_forkserver_preload([target.__module__])
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(task, names, theirs, log), name=name, daemon=True)
    try:
        with _sigint_blocked(), _main_hidden():
            process.start()
    except EOFError as error:  # the server that forks found no room; it is begun anew with the next start
        ours.close()
        raise OSError("the server that forks processes ended") from error
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """A process started meanwhile never sees Ctrl-C, not even before its own first line: it leaves that to us."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_hidden() -> Iterator[None]:
    """A process started meanwhile imports what its work needs, not the program that started it, which may take long."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def begin(log: ChildLog) -> None:
    """The child's first line: Ctrl-C is the parent's, its rank is its own, and what libraries print goes to ``log``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    take_rank(topology.process(current_process().name).rank)
    os.dup2(log.fd, 1)
    os.dup2(log.fd, 2)
    log.close()


def failed(error: DuetError) -> tuple[str, str, str]:
    """What a child says of an error that ends it."""
    return "failed", type(error).__name__, str(error)


def raised(message: tuple[Any, ...]) -> DuetError:
    """The error that ``failed`` told of."""
    return getattr(errors, message[1], DuetError)(message[2])


def end(process: BaseProcess, control: Connection, patience_s: float) -> None:
    """Ask it to stop, then kill it: one that hangs, or was stopped, hears no gentler word."""
    control.close()
    process.join(patience_s)
    if process.is_alive():
        process.kill()
        process.join(_KILLED_S)


def last_words(process: BaseProcess, log: ChildLog) -> str:
    """How a process ended and the last line it printed, routine warnings of libraries aside."""
    process.join(_LAST_WORDS_S)
    code = process.exitcode
    if code is None:
        return "a process that does not answer"
    ended = f"signal {-code}" if code < 0 else f"exit code {code}"
    lines = log.tail().strip().splitlines()
    telling = [line for line in lines if not line.startswith(_ROUTINE)]
    return f"{ended}: {telling[-1][:200]}" if telling else ended
