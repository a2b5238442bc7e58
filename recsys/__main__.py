"`python -m recsys` does what `recsys` does"
from recsys.cli import main

if __name__ == "__main__": main()
