"""The live loop: devices in, a follower's plan out, on time. Knows no torch."""
