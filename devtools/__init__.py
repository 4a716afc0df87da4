"""What development and tests need around the portal; never imported by it, never shipped.

Set-up runs before any package is installed, so everything that `devtools.setup` imports uses the
standard library alone.
"""
