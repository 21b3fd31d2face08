"""Tests train for real, and leave the user's store of runs alone."""

import os

os.environ["DAE_LAB_USE_STORE"] = "0"
