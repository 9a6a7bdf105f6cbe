"""Data for the networks: couples, music that fits their steps, sequences and windows."""
