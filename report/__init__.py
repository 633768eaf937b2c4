"""The report: what was solved, how it went, and every task's grids, in one HTML file that needs no network; and the
same grids in a terminal.

Invariants: nothing here chooses programs; test outputs are shown and counted, after ranking. A report reads the folder
of a run, a search or an evaluation while it is written, and changes nothing in it but `report/`. Whatever a file says
is text in the page, never markup.

    model       what is known of tasks, whatever it was read from
    sources/    readers: the folder of a run, of a search, of an evaluation
    catalogue   tasks of several sources side by side      index       what the gallery knows of all tasks
    detail      a task's grids, outputs and line values    values      values of lines as pictures
    intervals   shares with bootstrap intervals, and what the paper reports
    figures/    plots as SVG that takes the page's colours
    page        the HTML file, of `templates/`             writing     its place on disk
    watch       the same page on loopback, as a run goes on
    terminal    tasks in a terminal's colours              commands    the verbs `report` and `show`
"""
