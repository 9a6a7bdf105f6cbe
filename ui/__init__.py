"""The window and the command: pictures of the dancers, films, and `duet` itself."""

import os

# Drivers keep the programs they made of our shaders in the home folder, unasked, unless this is set before they load.
os.environ["MESA_SHADER_CACHE_DISABLE"] = "true"
os.environ["__GL_SHADER_DISK_CACHE"] = "0"
