"""Program search without a model: mutants of known programs, run on every task of a set.

ground      candidates on the task that they come from: which give grids, and which do anything new there
sources     where candidates come from: mutation of seeds, mutation and recombination of what was found
scoring     programs that match a demonstration, on all inputs of the task
folder      a search's folder on disk: what is found, as it is found, and the point to go on from
driver      the loop over batches
command     `codeit search`
"""
