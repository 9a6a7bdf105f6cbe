"""The plain names of keys, the same in every window and in a show's file."""

import string

KEY_NAMES: tuple[str, ...] = (
    "left", "right", "up", "down", "comma", "period", "left_bracket", "right_bracket", "home", "enter", "backspace",
    "space", "tab", "minus", "equal", "semicolon", "apostrophe", "slash", "backslash", "delete", "end", "page_up",
    "page_down",
    *(letter for letter in string.ascii_lowercase if letter != "q"),
    *string.digits,
    *(f"f{n}" for n in range(1, 13)),
)  # fmt: skip
"""All but Escape and Q, which end."""
