"""A performance drawn in a window. Import this only where there is a display: it brings glfw."""

from dataclasses import replace

from realtime.health import Health
from ui.avatar import BodyPose
from ui.scene import Scene, SceneState
from ui.window import Window

_SMOOTHING_SAMPLES = 4


class WindowCanvas:
    """Draws in a window: Esc or Q ends, F is full screen, H hides the panel, Space freezes the follower."""

    def __init__(self, size: tuple[int, int], fps: float) -> None:
        self.fps = fps
        # The performance paces itself by the session clock; waiting for the display as well would beat against it.
        self._window = Window(size, wait_for_display=False)
        self.renderer = str(self._window.context.info["GL_RENDERER"])
        software = "llvmpipe" in self.renderer or "softpipe" in self.renderer
        self._scene = Scene(self._window.context, size, samples=0 if software else _SMOOTHING_SAMPLES)
        self._frozen: BodyPose | None = None
        self._is_open = True

    @property
    def is_closed(self) -> bool:
        """Whether the window was closed or quit by key."""
        return not (self._is_open and self._window.open)

    def draw(self, state: SceneState, health: Health) -> None:
        """Draw and show one picture, as the keys ask for."""
        keys = self._window.input
        self._frozen = (self._frozen or state.follower) if keys.frozen else None
        self._window.fit(self._scene)
        self._scene.draw(
            replace(state, follower=self._frozen or state.follower, hud=state.hud if keys.show_hud else None)
        )
        self._window.show(self._scene)

    def close(self) -> None:
        """Close the window."""
        if self._is_open:
            self._is_open = False
            self._window.close()

    def abandon(self) -> None:
        """Close the window; it leaves nothing behind."""
        self.close()
