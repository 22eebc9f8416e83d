"""Figures of labelled images: modes of the network side by side."""
