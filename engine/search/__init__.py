"""Program search without a model: one engine, whatever is searched for.

A search is tasks, sources that propose programs for them, what accepts a program, and a journal on disk. All sources
share what is known: the best programs of each task are parents and pieces of whatever is proposed next.

    search          the engine: a batch of a source is run on tasks, accepted, remembered and recorded
    sources/        where programs come from
    acceptance      what counts: everything that matches, ranked (`codeit search`), or what solves a training task, as
                    a seed (`codeit seeds discover`)
    population      the best programs of each task, by `engine.ranking`
    effort          how much of everything: the numbers of both kinds of search
    limits          when a search ends
    demonstrations  which programs are right on which demonstration
    candidates      programs as they run
    workers         threads, each with a screen and a machine

    ranked, folder         `codeit search` and its folder
    seed_search, journal   `codeit seeds discover` and its files

A new source is one file in `sources/`, and its name where it is used (`ranked.METHODS`, or `seed_search`).
"""
