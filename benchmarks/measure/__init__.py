"""The parts of `benchmarks/zoo.py`: which networks, how each thing is measured, how it is judged and shown."""
