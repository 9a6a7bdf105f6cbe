"""How a performance ends: in one order, whatever was opened when, and however far the opening came."""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

ORDER = (
    # What dances comes first: from then on nothing new is written anywhere.
    "engine",
    # What keeps it goes on to the last frame, and reads devices that are still open.
    "media",
    "session",
    # Afterwards, so that a file that could not be completed is still told to the log.
    "watch",
    # What shows it; the film was completed before anything ended.
    "desk",
    "picture",
    # What it was fed by, which all of the above may have read until now.
    "tempo",
    "music",
    "leader",
)
"""Who is ended, first to last."""


class Ending:
    """Ends what was given to it by ``ORDER``; what fails to end does not keep the others open, and is raised then."""

    def __init__(self) -> None:
        self._ends: dict[str, Callable[[], object]] = {}

    def __enter__(self) -> "Ending":
        return self

    def of(self, name: str, end: Callable[[], object]) -> None:
        """``end`` is how ``name`` ends, from now on. ValueError for a name that is not in ``ORDER``, or is twice."""
        if name not in ORDER or name in self._ends:
            raise ValueError(f"{name}: expected one of {', '.join(ORDER)}, once.")
        self._ends[name] = end

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            for name in reversed(ORDER):
                if name in self._ends:
                    stack.callback(self._ends[name])
