"""Benchmarks of skuad, run by asv; see README.md."""
