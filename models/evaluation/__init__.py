"""How good a follower is: metrics, baselines and the report."""
