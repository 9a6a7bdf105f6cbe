"""The commands of ``duet-lab``, one module each: ``add`` describes it to the parser, ``run`` does it."""
