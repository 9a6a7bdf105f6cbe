"""Sight: cameras, the tracked leader, and the stage they stand on."""
