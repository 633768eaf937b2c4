"""What an update of a policy is made of.

batches    examples as tensors, rows padded to one length     loss       the policy's loss on a batch, its attention
packing    the same in one row, one after the other          recording  forward and backward as one CUDA graph
"""
