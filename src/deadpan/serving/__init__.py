"""Prediction on a device from an exported file, without torch."""
