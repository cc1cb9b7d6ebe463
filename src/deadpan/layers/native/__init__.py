"""Encoder layers and GRUs in C for the CPU, compiled when deadpan is installed.

Without the C torch's kernels compute the same, and a training epoch takes more than twice as long;
``library.native`` decides which of the two runs, and ``deadpan env`` says which and why.
``encoder_layer.c`` and ``gru.c`` open with their formulas and name their plain numpy reference,
``tests/parity/reference.py``.
"""
