"""How long what is waited for on a cluster may take, in seconds: far more than it does, so that nothing waits for ever.

A node that is new to a version compiles it first, a minute or two on a busy machine.
"""

ANSWER = 5.0
"""until something answers at an address"""
CONNECT = 15.0
"""until what answers turns out to be Ray"""
START = 300.0
"""until the process of a node, or a replica with its weights, is ready"""
WORK = 900.0
"""for one message: some tasks of a batch, weights of another version, or the next samples"""
NODES = 120.0
"""until a node is there again where all are gone"""
LOOK = 2.0
"""between two looks at which nodes are there"""
CLOSE = 10.0
"""until replicas have given back what they have, before they are ended"""
