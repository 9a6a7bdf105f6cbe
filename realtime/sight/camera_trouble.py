"""What is wrong with a camera, in words for who stands before it: shown while it lasts, logged once a change."""

import logging
import time

from realtime.sight.camera import CameraState

LOG = logging.getLogger("duet.camera")

RESTARTING = "tracking stopped: it begins again by itself"
_SENTENCES = {
    CameraState.STALLED: "no pictures from the camera: check its cable",
    CameraState.DARK: "the camera sees only black: uncover its lens",
    CameraState.FROZEN: "the camera repeats one picture: plug it in again",
}


class CameraTrouble:
    """The present trouble of the camera ``name``. One writer; ``sentence`` is replaced whole."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._since_s = 0.0
        self.sentence = ""
        """What is wrong and what to do about it; empty while all is well."""

    def see(self, state: CameraState) -> None:
        """The camera is like this now."""
        self.tell(_SENTENCES.get(state, ""))

    def tell(self, sentence: str, why: str = "") -> None:
        """This is wrong now, because of ``why``; empty: nothing is."""
        before, self.sentence = self.sentence, sentence
        if sentence == before:
            return
        now_s = time.monotonic()
        if not sentence:
            LOG.warning("%s: all is well again after %.1f s", self._name, now_s - self._since_s)
            return
        if not before:
            self._since_s = now_s
        LOG.warning("%s: %s", self._name, f"{sentence} ({why})" if why else sentence)
