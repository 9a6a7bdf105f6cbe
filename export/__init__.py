"""From trained weights to the folder the live half plays: ONNX graphs, contract, model card, and proof of parity."""

from duet import __version__ as __version__
