"""Encoder layers and GRUs in C for the CPU, compiled on first use by the machine's own compiler.

Without a compiler torch's kernels compute the same, and a training epoch takes more than twice as
long; ``library.native`` decides which of the two runs. ``encoder_layer.c`` and ``gru.c`` open with
their formulas and name their plain numpy reference, ``tests/parity/reference.py``.
"""
