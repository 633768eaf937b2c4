"""A sweep: several configurations of the loop with several seeds, each run in a process of its own, and compared.

    plan        what a file asks for              estimate    how long it will take, and what says so
    running     the runs, some at the same time   results     what they came to, with intervals

A sweep's folder:

    sweep.json   what it came to: see `results`   sweep.txt   the same as tables
    sweep.svg    the same as a figure
    options/     <configuration>.toml, what each run is given as --config
    runs/        <configuration>-<seed>, the folder of a run each
    logs/        <configuration>-<seed>.txt, what a run said

Nothing is kept beside the runs' folders of what is done: a sweep that goes on reads it from them.
"""
