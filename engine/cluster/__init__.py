"""More than one machine, on Ray: the same batches, done elsewhere.

    session    the cluster that a command works on: found or started, its nodes, what is opened on them
    starting   Ray itself: connecting, starting it here, and what is wrong with an address
    nodes      the machines of a cluster, and room on them
    identity   what a node must have in common with the head
    packing    values as arrays, in Ray's object store
    crew       work of a search, an evaluation or a run, spread over nodes; what is lost is done again
    member     the process that does it, one a node: threads with screens and machines
    workers    `Workers`, and a pool, whose work the crew does
    replicas   a `Sampler` of several machines
    replica    the process that samples, one a GPU or a share of processors
    patience   how long what is waited for may take
    config     the section `cluster` of a configuration
    local      several nodes as processes of this machine, for tests and `codeit bench cluster`

Nothing outside of this folder imports Ray, nor do `config` and `session`, which others know, before there is a cluster.
Invariants: results are those of one machine, byte for byte, since what is sent away depends on its arguments alone;
whatever waits has a deadline, and says what it waits for. Trainer, replay and everything on disk stay on the head,
whose death is a resume. Processes of a cluster run what they are sent: its ports are for trusted networks.
"""
