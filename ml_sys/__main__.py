"""Makes ``python -m ml_sys`` the same as ``mlsys``."""

from ml_sys.cli import main

if __name__ == "__main__":
    main()
