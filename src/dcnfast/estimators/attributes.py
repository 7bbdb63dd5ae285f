"""What both estimators have after ``fit``."""

ATTRIBUTES = """
n_parameters_ : int
    How many numbers are learned.
n_members_ : int
    Members of the ensemble.
n_iter_ : int
    Epochs that the network was trained for.
loss_curve_ : list of float
    Mean objective of every epoch, in standardised units.
validation_scores_ : list of float or None
    Score of the held-out rows after every epoch in which they were, the negative loss without
    ``scoring``; None without such rows.
history_ : dict of str to ndarray
    A table with a row an epoch: ``epoch``, ``loss``, ``learning_rate`` at its end, ``seconds``, and
    ``validation_score`` where rows were watched.
shrinkage_ : ndarray of shape (C,)
    What the distance of the logits from the best constant was multiplied by: 1 for a network that
    held-out rows support or that none have judged, 0 where the constant is as good.
parameters_ : dict of str to ndarray
    Read-only views: cross_W (L, D, D) as (out, in), cross_w, cross_U, cross_V, cross_b, deep_W_i
    (O, I), deep_b_i, head_W (C, D + H), head_b, embedding_K (V, K) and so on.
encoder_ : TableEncoder
    Categories, their counts and the scales of the numbers.
embedding_dims_ : dict of str to int
    Width of each categorical field.
is_categorical_ : ndarray of shape (n_features_in_,), bool
    Which columns are categorical.
n_features_in_ : int
    Columns seen in ``fit``.
feature_names_in_ : ndarray of shape (n_features_in_,)
    Their names, where all are strings.
"""
