"""Keys by plain names, the same in every window. Import this only where there is a display: it brings glfw."""

import string

import glfw

KEYS: dict[int, str] = {
    glfw.KEY_LEFT: "left", glfw.KEY_RIGHT: "right", glfw.KEY_UP: "up", glfw.KEY_DOWN: "down",
    glfw.KEY_COMMA: "comma", glfw.KEY_PERIOD: "period", glfw.KEY_LEFT_BRACKET: "left_bracket",
    glfw.KEY_RIGHT_BRACKET: "right_bracket", glfw.KEY_HOME: "home", glfw.KEY_ENTER: "enter",
    glfw.KEY_BACKSPACE: "backspace", glfw.KEY_SPACE: "space", glfw.KEY_TAB: "tab", glfw.KEY_MINUS: "minus",
    glfw.KEY_EQUAL: "equal", glfw.KEY_SEMICOLON: "semicolon", glfw.KEY_APOSTROPHE: "apostrophe",
    glfw.KEY_SLASH: "slash", glfw.KEY_BACKSLASH: "backslash", glfw.KEY_DELETE: "delete", glfw.KEY_END: "end",
    glfw.KEY_PAGE_UP: "page_up", glfw.KEY_PAGE_DOWN: "page_down",
    **{glfw.KEY_A + n: letter for n, letter in enumerate(string.ascii_lowercase) if letter != "q"},
    **{glfw.KEY_0 + n: str(n) for n in range(10)},
    **{glfw.KEY_F1 + n: f"f{n + 1}" for n in range(12)},
}  # fmt: skip
"""All but Escape and Q, which end."""
