"""What the benchmarks share: data of known sizes and lengths, and fair clocks."""
