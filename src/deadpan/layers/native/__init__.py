"""Encoder layers and GRUs in C, for the CPU: compiled on first use, by the machine's own compiler.

Where there is none, torch's kernels compute the same, and a training epoch takes more than
twice as long. ``library.native`` tells which it is.
"""
