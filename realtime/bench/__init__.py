"""Benches of the live half: measured without a word printed."""
