"""Inference: what runs a follower's graphs."""
