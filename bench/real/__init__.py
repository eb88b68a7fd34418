"""Measurements on public data with the embedded model, one package or module each."""
