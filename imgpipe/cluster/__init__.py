"""Beyond one machine: the pipe run once a part, on engines that people already run."""
