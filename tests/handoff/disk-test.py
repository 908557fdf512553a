#!/usr/bin/env python3
# tests/handoff/disk-test.py - Debian writes to a disk while it changes its process again and again.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two processes open one image; the write lock goes with the guest.  The guest checks what it reads, the file system
is checked afterwards."""
import sys

from pair import Failed, GuestFiles, NoNetwork, Pair, machine_args
from harness import ext4_image, fsck, run_tests

MOVES = 5


def moves_under_writes(folder):
    image = folder / 'disk.img'
    ext4_image(image)
    args = [*GuestFiles().args('baton.mode=disk'), '-drive', f'file={image},format=raw,if=none,id=d0', '-device',
            'virtio-blk-device,drive=d0']
    pair = Pair(NoNetwork(), args, folder, netpass=False, machine=machine_args('512M', 2))
    try:
        pair.now.console.expect('BATON-GUEST-READY', 120)
        for _ in range(MOVES):
            pair.move()
        if not any(b'BATON-DISK-OK 8' in bytes(e.console.reader.data) for e in pair.emulators):
            pair.now.console.expect(r'BATON-DISK-OK 8', 120)        # else it was said to an earlier process
        pair.now.console.send('poweroff\n')
        if pair.now.wait(60) != 0:
            raise Failed(f'power off ended with {pair.now.process.returncode}: {pair.now.errors()}')
    finally:
        pair.close()
    if found := fsck(image):
        raise Failed(found)


if __name__ == '__main__':
    sys.exit(run_tests([('the file system is whole after five handoffs under writes', moves_under_writes)]))
