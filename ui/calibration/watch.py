"""Somebody before a camera, watched for a while by the real tracker: what the calibrations have in common."""

import math
import time
from typing import TYPE_CHECKING

from rich.console import Console

from realtime.sight.placement import Lens, StageMap
from ui.camera_options import Look

if TYPE_CHECKING:
    from duet.frames import LeaderFrame
    from realtime.sight.preview import Sight

_LOOK_S = 0.1


def watch(
    console: Console,
    source: str,
    look: Look,
    *,
    wait_s: float,
    seconds: float,
    asks: tuple[str, str],
    lens: Lens | None = None,
    stage: StageMap | None = None,
    height_m: float | None = None,
    sights: "list[Sight] | None" = None,
) -> "list[LeaderFrame]":
    """Every frame of ``seconds`` after ``wait_s``; ``asks`` says what to do in either, with what is left of it.

    What the camera saw meanwhile is added to ``sights``, where such a list is given.
    """
    from realtime.sight.pose_model import ensure_pose_model
    from realtime.sight.tracker import Tracker
    from realtime.sight.tracking import TrackingTask

    task = TrackingTask(
        source,
        0.0,
        ensure_pose_model(progress=console.print, kind=look.model),
        lens=lens or Lens(),
        stage=stage or StageMap(),
        height_m=height_m,
        view=look.view,
        people=look.people,
        preview=sights is not None,
    )
    frames: list[LeaderFrame] = []
    with (
        console.status("opening the camera") as status,
        Tracker.start(task) as tracker,
    ):
        begin_s = time.monotonic() + wait_s
        while (now_s := time.monotonic()) < begin_s + seconds:
            ask, left_s = (asks[0], begin_s - now_s) if now_s < begin_s else (asks[1], begin_s + seconds - now_s)
            status.update(f"{ask}: {left_s:.0f} s ({tracker.latest().status})")
            frames += [f for f in tracker.take_new(math.inf) if f.time_s >= begin_s]
            sight = tracker.sight()
            if sights is not None and sight is not None and (not sights or sight.time_s > sights[-1].time_s):
                sights.append(sight)
            time.sleep(_LOOK_S)
    return frames
