"""Policies and how they learn: codecs, compact and pretrained policies, the training loop, published checkpoints.

Importing this package, `trainer.codec` or `trainer.checkpoint` does not import torch.
"""
