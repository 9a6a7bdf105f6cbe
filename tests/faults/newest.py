"""Takes pictures of a camera one after another, and holds that each is the newest there was."""

from collections.abc import Callable

from duet.clock import Clock
from realtime.sight.camera import Camera, CameraFrame

_WAIT_S = 10.0


def take_newest(camera: Camera, clock: Clock, goes_on: Callable[[list[CameraFrame]], bool]) -> list[CameraFrame]:
    """Pictures, asked for while ``goes_on`` of those taken: none older than those that were there, none stamped late.

    Held by counts, not by ages, which tell when this thread runs. Each picture is at least the newest of those counted
    before it was asked for; so the next but one was read after that, and its stamp is no older.
    """
    asked_s: list[float] = []
    taken: list[CameraFrame] = []
    while goes_on(taken):
        asked_s.append(clock.now())
        arrived = camera.frames
        frame = camera.next(_WAIT_S)
        assert frame.index >= arrived - 1, f"expected picture {arrived - 1} or a newer one, got {frame.index}"
        if len(asked_s) > 2:
            assert frame.arrival_s >= asked_s[-3], f"stamped {asked_s[-3] - frame.arrival_s:.3f} s before it was read"
        assert frame.arrival_s <= clock.now(), "stamped later than it was handed out"
        taken.append(frame)
    return taken
