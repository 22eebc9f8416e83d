"""Evaluating recordings, offline or through the running nodes."""
