"""Shipped weights fitted to one rainy clip, which has no ground truth."""
