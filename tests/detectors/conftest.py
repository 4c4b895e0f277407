import sys
from pathlib import Path

# Tests are imported without their folder on the path; the helpers are beside them.
sys.path.insert(0, str(Path(__file__).parent))
