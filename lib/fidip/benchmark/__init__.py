"""Times of this project's networks beside those of others, on the same machine in turns."""
