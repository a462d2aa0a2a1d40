"""Dress bodies: skin, face, hair, clothes and surfaces, procedural or from the user's images."""
