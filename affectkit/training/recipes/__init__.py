"""How the networks that ship were trained."""
