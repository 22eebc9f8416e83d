"""Frames worth labeling: sharp, different from each other, doubtful for the network."""
