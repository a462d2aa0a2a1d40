"""Draw poses: authored postures with noise, and poses from fits."""
