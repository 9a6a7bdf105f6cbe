"""Sound: devices, files and streams, in and out; beats that come from elsewhere."""
