"""Data sets scored by a bundle, on this machine's cores or on a Ray cluster.

The rows are cut into shards whose boundaries depend on nothing but the input and one option. A
shard is the unit of all that happens: a worker reads it, computes its answers, and writes them as
one part, whole or not at all. What is complete is therefore known from the files alone, and neither
a worker nor the process that hands out the shards has anything to lose.
"""
