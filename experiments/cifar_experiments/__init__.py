"""What surrounds one training: presets, run folders, history. Knows the engine; draws nothing."""
