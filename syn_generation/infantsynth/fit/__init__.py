"""Fit a body model to 2D keypoints of many infants at once."""
