"""feature_extraction."""
