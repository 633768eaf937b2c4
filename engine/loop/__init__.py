"""The self-improving loop: fill replay, then draw, train, publish, swap, sample, execute, evaluate, store.

Invariants: a meta-iteration's experiences and its progress record are one transaction; everything random derives from
the seed. Imports torch where it needs it, `fill`, `rollout` and `metrics` do not.

    loop        the meta-iterations                   components  what a run is made of, from its configuration
    beginning   tasks and seeds of a run              drawing     what a meta-iteration learns from
    fill        seeds and mutants into replay         rollout     samples, run on the pool
    searching   search on the search set              boards      scores of policy and search, kept apart
    examples    experiences as tokens                 metrics     the columns of metrics.jsonl
    hardware    what a run needs of its machine       phases      what a run is doing, and for how long
"""
