"""The derivation calculus."""
