"""Stages 2 to 6: what a network is, and the compiled network."""
