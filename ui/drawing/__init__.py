"""Drawing: dancers, stages, cameras, windows and films."""
