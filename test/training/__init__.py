"""Tests of training: losses, steps and whole runs on small synthetic drives."""
