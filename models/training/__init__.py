"""Learning: stages, losses, averaged weights, checkpoints."""
