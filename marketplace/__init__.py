"""Listings: process definitions (UDPs) offered, priced and shared."""
