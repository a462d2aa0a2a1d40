"""Measures of movement from poses."""
