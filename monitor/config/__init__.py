"""The configuration file: read strictly, joined with the contracts, told in plain words."""
