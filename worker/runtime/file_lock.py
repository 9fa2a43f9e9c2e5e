"""A lock on an open file. The system lets go of it when the file is closed, or its process ends however that ends."""

from __future__ import annotations

import os
import sys

from filelock import lock_descriptor

LOCKED_BYTE = 1 << 30  # far behind the text


def try_lock(descriptor: int) -> bool:
    """Locks the file for this descriptor alone; False if another has it locked. Raises OSError if the file system
    knows no locks.

    filelock's own, but on Windows: there it locks the first byte, and Windows lets nobody read what is locked. These
    files say who holds them.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    return lock_descriptor(descriptor, blocking=False)
