"""Tests of the depth node over real DDS."""
