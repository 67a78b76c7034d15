"""Makes what is shipped: wheels, the package for Debian, files of the Helm chart."""
