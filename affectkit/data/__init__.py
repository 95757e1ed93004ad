"""Data sets as one documented table: loaders, protocols, skipped rows and image reading."""
