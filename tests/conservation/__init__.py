"""The model of conservation (contract 1): what goes in, what may be dropped, what has to arrive."""
