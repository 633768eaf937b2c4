"""Policies with a tokenizer: prompts and programs as text.

codec    tasks and programs as a tokenizer's pieces
grammar  which pieces may come next in a program
batch    the grammar over many programs at once
"""
