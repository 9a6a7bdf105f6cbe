"""A show that looks after itself: who is there, who leads, and what a visitor finds."""
