"""Sessions: a performance written down, and danced again to the bit."""
