"""Stage 1: columns -> what the network reads, ids and dense columns."""
