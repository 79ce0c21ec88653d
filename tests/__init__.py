"""Tests: unit (no server), contracts, integration (real Redis and PostgreSQL), acceptance."""
