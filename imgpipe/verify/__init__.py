"""Reads a data set back, and checks that everything is there, whole, and as it is said to be."""
