"""What runs on a device: predictions from an exported file, without torch."""
