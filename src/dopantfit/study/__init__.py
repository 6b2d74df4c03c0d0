"""One command from a fitted potential to a verdict: plan, run, resume and analyse the doping study of one dopant.

The study is a graph of tasks (`graph`), each a plain function from records and settings to a folder with a record
(`records`, `work`). `driver` runs what is not there yet through any `concurrent.futures.Executor` (`site`).
"""
