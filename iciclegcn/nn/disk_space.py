"""Room on the disk, taken before a file is mapped into memory."""

import errno
import os

# File systems that cannot, and those whose emulation is missing: files grow there as they are
# written, as they would have without the attempt.
_UNABLE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class NoRoomError(ValueError):
    """A disk is full; the message says where, and what to do."""


def reserve(descriptor: int, num_bytes: int) -> None:
    """Take the room of a file at once, so that no disk is full when it is written to as memory.

    A file that is only as long as its bytes, and holds none yet, gets its room page by page. The
    system ends a process whose page finds none, without a word.

    Args:
        descriptor: Of a file that is open for reading and writing; what it holds stays.
        num_bytes: Length that it has then, at least.

    Raises:
        OSError: If there is no room.
    """
    if not num_bytes or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, num_bytes)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
