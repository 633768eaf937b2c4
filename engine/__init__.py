"""The engine: configuration, tasks, seeds, ranking, samplers, search, the loop, evaluation and the command line.

commands/   what the command line calls           seeds/      seed programs, ours and from other files
search/     programs without a model              sampler/    programs from a policy
loop/       the self-improving loop               tasks/      ARC tasks in the forms that people have
evaluation/  what is solved and handed in       analysis/   questions about runs and searches
profiling/  where the interpreter's time goes     sweep/      configurations of the loop, compared
"""

from interpreter.aliases import short_names

short_names(
    "engine",
    {
        "examples": "loop.examples",
        "fill": "loop.fill",
        "launch": "commands.launch",
        "metrics": "loop.metrics",
        "parts": "loop.components",
        "rollout": "loop.rollout",
    },
)
