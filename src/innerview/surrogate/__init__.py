"""The language model: base weights, projector, splice, packing, training, decoding."""
