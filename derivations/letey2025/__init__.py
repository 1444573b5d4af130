"""Structured tasks: how the alignment of pretraining and test tasks governs in-context learning.

The extension of Lu et al. to task covariances of pretraining and of test, after Letey et al. 2025.
"""
