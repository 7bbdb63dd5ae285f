"""A fitted model as C99: a header and a source without dependencies, preprocessing inside.

A module for each stage writes its functions, in the order of the data flow: ``row`` the struct of a
row, ``encode`` with ``categories`` and ``numbers``, ``tables``, ``lists``, ``embed``, ``cross``,
``deep``, ``answer``. All arithmetic is in doubles, on weights of the model's type. A new kind of
cross, activation, numeric embedding or loss is one function and its name in the dict of its module.
"""
