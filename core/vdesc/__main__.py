"""`python -m vdesc`: the command line, as `accelerate launch -m vdesc` calls it too."""

from .cli import main

if __name__ == "__main__":
    main()
