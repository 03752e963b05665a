"""Figures of a trained model. Each is one function that returns a matplotlib ``Figure``; nothing is global.

    source = open_source(Path("logs/demo"))                     source.py        a run folder or a checkpoint
    embedded = embed(source)                                    embedded.py      its test features, computed once
    lists = rank_lists(embedded, top=10)                        ranks.py         every query's nearest gallery images
    rank_figure(embedded, choose_queries(lists, pids, 3))       rank_figure.py   worst, best and random queries
    tsne_figure([embedded, other], identities=8)                tsne.py          the paper's Fig. 6
    cam_figure(source, embedded, count=4)                       cam_figure.py    the paper's Fig. 4
    distance_figure([embedded, other])                          distances.py
    cmc_figure([embedded, other])                               cmc.py
    curve_figure([Path("logs/demo"), Path("logs/other")])       curves.py        from metrics.json
    save_figure(figure, Path("ranks.pdf"))                      canvas.py        PNG or PDF; encode_figure: its bytes

``rank_lists``, ``embed`` and the like import from the module named beside them.
"""
