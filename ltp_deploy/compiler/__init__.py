"""The compiler: trace an encoder, plan, and rewrite its graph, one pass after another."""
