"""Every error Duet raises on purpose.

::

    DuetError                  base: the command prints it as one sentence and exits with code 2
    ├── InputError             a file or an argument the user gave does not fit
    │   ├── MotionError        a take: BVH, npz, skeleton, NaN
    │   └── MediaError         music or video that cannot be read
    ├── DeviceError            a camera or sound device is missing, silent or gone
    │   └── StaleFrame         the newest frame is older than the reader accepts
    ├── FollowerError          a follower folder that is broken, altered or foreign
    ├── ModelError             the pose model is missing or its checksum is wrong
    └── PictureError           no OpenGL, no window, no encoder

Messages read ``<thing>: expected <x>, got <y>. <next step>.``
"""


class DuetError(Exception):
    """Base of every error that is shown to a user as one sentence."""


class InputError(DuetError):
    """A file or an argument does not fit."""


class MotionError(InputError):
    """A take cannot be used: unreadable, wrong skeleton, NaN, too short."""


class MediaError(InputError):
    """Music or video cannot be read."""


class DeviceError(DuetError):
    """A camera or a sound device is missing, gives nothing, or went away."""


class StaleFrame(DeviceError):
    """The newest frame is older than the reader accepts."""


class FollowerError(DuetError):
    """A follower folder is incomplete, altered, or made for another contract."""


class ModelError(DuetError):
    """The pose model is missing or is not the file it should be."""


class PictureError(DuetError):
    """Nothing can be drawn or written: no OpenGL, no display, no encoder."""
