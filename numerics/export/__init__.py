"""Programs as standalone source in other languages: one traversal, one small emitter each."""
