"""The window and the command: pictures of the dancers, films, and `duet` itself."""
