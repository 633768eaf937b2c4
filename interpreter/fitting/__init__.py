"""What is made of pieces, grids of the shapes of a task's outputs, so that the outputs come out. Compiled.

sheet    pieces as the rows of one matrix, and how grids lie in it
tables   colour maps of a piece, and tables of two pieces
layers   stacks: layers of pieces on each other
"""
