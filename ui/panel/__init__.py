"""The performer's panel: what is known of the dance, and the window in which it is told and changed."""
