"""A process of its own for what may hang or crash: how it is started, heard, quoted and ended.

The two sides share a pipe, on which the child says ``("ready", ...)``, ``("done", ...)``, ``("failed", kind,
sentence)`` and whatever else its owner understands, and a ``ChildLog`` that takes what the child's libraries print. The
child ends when its pipe closes, so that it never outlives the application.
"""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import current_process, forkserver, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from duet import errors
from duet.errors import DuetError
from realtime import topology
from realtime.child_log import ChildLog
from realtime.priority import take_rank

STOPPED_S = 3.0
"""So long after a stop that reached it a child waits for its parent to end it."""
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
    server that has imported ``target``'s module and nothing else, in milliseconds; the server is gone before we are.
    """
    # Never forked from here: that would copy threads' locks and the OpenGL context in unknown states.
    context = get_context("spawn")
    if at_once and sys.platform.startswith("linux"):
        context = get_context("forkserver")
        context.set_forkserver_preload([target.__module__])
        # Once, however often.
        atexit.unregister(_end_server)
        atexit.register(_end_server)
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


def _end_server() -> None:
    """Make an end of the server that forks, which else ends by itself once we are gone: on a busy machine much later.

    Nothing is asked of it any more, and what it forked ends with our pipes.
    """
    # Python has no public way to tell its number or to end it.
    server = getattr(forkserver, "_forkserver", None)
    pid, stop = getattr(server, "_forkserver_pid", None), getattr(server, "_stop", None)
    if pid is None or stop is None:
        return
    with suppress(OSError):  # it ended meanwhile
        os.kill(pid, signal.SIGKILL)
        stop()


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


def begin(log: ChildLog, *, bears_a_stop: bool = False) -> None:
    """The child's first line: Ctrl-C is the parent's, its rank is its own, and what libraries print goes to ``log``.

    A service's stop and a closed terminal reach every process of a show: what the parent says comes first, and a child
    that it says nothing to ends by itself after ``STOPPED_S``, or not at all if it ``bears_a_stop``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _await_stop(ends=not bears_a_stop)
    take_rank(topology.process(current_process().name).rank)
    os.dup2(log.fd, 1)
    os.dup2(log.fd, 2)
    log.close()


def _await_stop(*, ends: bool) -> None:
    """Take signals that ask to end to a thread of their own; where there is none of that they end at once."""
    # Whoever began the show with nohup wants all of it to outlive the terminal.
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = {number for name in names if signal.getsignal(number := getattr(signal, name)) is not signal.SIG_IGN}
    if not ends:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
    elif hasattr(signal, "pthread_sigmask"):
        # Blocked before there are other threads, which inherit it; a native library that hangs keeps nobody from it.
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        threading.Thread(target=_end_after_a_stop, args=(numbers,), name="duet-stop", daemon=True).start()


def _end_after_a_stop(numbers: set[int]) -> None:
    number = signal.sigwait(numbers)
    time.sleep(STOPPED_S)
    os._exit(128 + number)


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
