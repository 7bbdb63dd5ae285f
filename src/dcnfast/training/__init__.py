"""Stages 7 and 8: epochs, early stopping, optimizers."""
