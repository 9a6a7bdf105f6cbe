"""Keys by plain names, the same in every window. Import this only where there is a display: it brings glfw."""

import glfw

from ui.key_names import KEY_NAMES

KEYS: dict[int, str] = {getattr(glfw, f"KEY_{name.upper()}"): name for name in KEY_NAMES}
