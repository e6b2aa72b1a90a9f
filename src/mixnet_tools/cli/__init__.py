"""The command line: a thin skin over the stages. Only here are arguments parsed, text printed and codes returned."""
