"""Baking: avatars made from the CC0 data, once."""
