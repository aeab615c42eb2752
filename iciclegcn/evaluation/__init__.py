"""Figures about finished clusterings. The only place that reads the truth y."""
