"""One notebook: its process, its kernel, its limits, and the proof that it ran to its end. Never TensorFlow.

Nothing is imported here: the child process and the kernel pass through this file, and must start fast.
"""
