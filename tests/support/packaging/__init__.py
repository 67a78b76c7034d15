"""Makes what is shipped: wheels, the package for Debian, the chart's generated files (docs/packages.md)."""
