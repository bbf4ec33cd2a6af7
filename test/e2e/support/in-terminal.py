"""Runs a command in a terminal of its own: in-terminal.py COLUMNS TRIGGER COMMAND... Ctrl-C is typed when TRIGGER was printed."""

import fcntl
import os
import pty
import struct
import sys
import termios

columns, trigger, command = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
child, terminal = pty.fork()
if child == 0:
    # The size must be known before the command looks at it.
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    os.execvp(command[0], command)
output = b""
typed = trigger == b""
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:  # The other end is closed.
        break
    if not part:
        break
    output += part
    sys.stdout.buffer.write(part)
    if not typed and trigger in output:
        typed = True
        os.write(terminal, b"\x03")
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
