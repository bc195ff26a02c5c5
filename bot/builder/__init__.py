"""What runs beside the build: fetch, cache preflight, build and push, verify, result.

Runs as ``python -I -m bot.builder RECIPE.json`` from ``/``, so that nothing in the tree that it
fetches can be imported. Standard library only. docs/builder.md has what goes in and comes out.
"""
