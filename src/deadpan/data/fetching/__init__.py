"""Fetching corpora: downloads that resume, are verified, and are never visible half done."""
