#!/usr/bin/env python3
# tests/functional/spice-agent-test.py - clipboard, screens, pointer and ports between scripted clients and a guest's ends.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest is spice-screen (tests/tools) with the agent of mock_agent.py; the clients are those of spice_client.py."""
import random
import struct
import sys

import mock_agent as agents
import spice_client as spice
from harness import run_tests, want
from mock_agent import AGENT, Agent, Port
from spice_client import AgentClient as Client, meanwhile
from stock_client import spice_screen

PORTS = ('spiceport,id=port,name=org.baton.echo', 'spiceport,id=dav,name=org.spice-space.webdav.0')
WEBDAV = 11
DISCONNECTED, CONNECTED = 108, 115
SAY_DATA = 107


class Setup:
    def __init__(self, folder, options=''):
        self.address = f'{folder}/spice'
        self.screen = spice_screen(folder, f'unix=on,addr={self.address},disable-ticketing=on{options}', AGENT, *PORTS)
        self.agent = Agent(self.screen)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.screen.end()


def noise(size, seed):
    return random.Random(seed).randbytes(size)


def clipboard(folder):
    """200 KB each way, with two clients, of whom one only listens."""
    ours, theirs = noise(200000, 1), noise(200000, 2)
    with Setup(folder) as setup, Client(setup.address) as client, Client(setup.address) as other:
        setup.agent.open()
        for c in (client, other):
            c.until(CONNECTED)
        telling = meanwhile(client.tell, agents.CLIPBOARD, bytes(4) + struct.pack('<I', 1) + theirs)
        setup.agent.until(lambda: setup.agent.pasted, 30, 'no clipboard')
        telling.join()
        want(setup.agent.pasted == theirs, 'the agent got something else')
        setup.agent.tell(agents.CLIPBOARD, ours)
        for c in (client, other):
            want(c.next(agents.CLIPBOARD) == ours, 'a client got something else')
        client.close()
        other.tell(agents.GRAB, bytes(8))           # half of nothing is left of the other one
        setup.agent.until(lambda: setup.agent.grabbed, 30, 'no grab')
        want(not setup.agent.gone, 'clients are said to be gone')
        other.close()
        setup.agent.until(lambda: setup.agent.gone, 30, 'nobody says that the clients are gone')


def comes_and_goes(folder):
    """Clients hear of an agent that goes and comes; what was meant for the last one does not reach the next."""
    with Setup(folder) as setup, Client(setup.address) as client:
        want(client.init[4], 'nobody takes the size of a window')     # until then the server does
        setup.agent.open()
        client.until(CONNECTED)
        client.main.say(SAY_DATA, struct.pack('<IIQI', 1, agents.CLIPBOARD, 0, 5000) + bytes(1000))
        client.tokens -= 1
        setup.agent.until(lambda: len(setup.agent.parts[1]) == 1020, 30, 'no clipboard')
        setup.agent.close()
        setup.agent.parts[1] = b''
        client.until(DISCONNECTED)
        client.main.say(SAY_DATA, bytes(1000))      # the rest of it, for nobody
        client.until(CONNECTED)                     # the server again
        setup.agent.open()
        client.until(DISCONNECTED)
        client.until(CONNECTED)
        client.tell(agents.GRAB, bytes(8))
        setup.agent.until(lambda: setup.agent.heard, 30, 'nothing')
        want(setup.agent.heard == [agents.GRAB], f'the next agent heard {setup.agent.heard}')
        with Client(setup.address) as late:
            want(late.init[4], 'no agent for who comes late')


def rules(folder):
    with Setup(folder, ',disable-copy-paste=on') as setup, Client(setup.address) as client:
        setup.agent.open()
        client.until(CONNECTED)
        client.tell(agents.CAPS, struct.pack('<II', 1, 0xff))
        setup.agent.until(lambda: setup.agent.client_caps, 30, 'the agent does not hear what the client can')
        body = client.next(agents.CAPS)
        want(struct.unpack('<I', body[4:])[0] == agents.CAN & ~0x68, f'the agent promises {body.hex()}')
        client.tell(agents.CLIPBOARD, bytes(30000))
        client.tell(agents.REPLY, bytes(8))
        setup.agent.until(lambda: agents.REPLY in setup.agent.heard, 30, 'nothing')
        want(setup.agent.heard == [agents.CAPS, agents.REPLY], f'the agent heard {setup.agent.heard}')
        setup.agent.tell(agents.GRAB, bytes(8))
        setup.agent.tell(agents.REPLY, bytes(8))
        while True:
            kind = client.message()[0]
            want(kind != agents.GRAB, 'the client hears of the clipboard')
            if kind == agents.REPLY:
                break


def screens_and_pointer(folder):
    with Setup(folder) as setup, Client(setup.address) as client:
        setup.agent.open()
        client.until(CONNECTED)
        client.tell(agents.MONITORS_CONFIG, struct.pack('<II', 1, 3) + struct.pack('<IIIii', 890, 744, 32, 0, 0) +
                    struct.pack('<HH', 200, 300))
        setup.screen.until(lambda lines: 'wish 0 1 744 890' in lines, 30, 'no wish')
        setup.screen.say('tablet off')              # now only the agent knows positions
        client.main.say(105, struct.pack('<H', 2))
        while (3, 2) not in client.modes:
            client.hear()
            client.main.say(105, struct.pack('<H', 2))
        inputs = client.open(spice.INPUTS)
        inputs.say(112, struct.pack('<IIHB', 100, 200, 0, 0))
        inputs.say(113, struct.pack('<BH', 1, 1))
        inputs.say(114, struct.pack('<BH', 1, 0))
        setup.agent.until(lambda: len(setup.agent.mouse) >= 3, 30, 'the pointer does not move')
        want(setup.agent.mouse[-3:] == [(100, 200, 0, 0), (100, 200, 2, 0), (100, 200, 0, 0)], f'{setup.agent.mouse}')


def size_without_agent(folder):
    """Where the device can be told, the server takes the size of a window, and nothing else that is for an agent."""
    with Setup(folder) as setup, Client(setup.address) as client:
        client.tell(agents.CAPS, struct.pack('<II', 1, 0xff))
        caps = struct.unpack('<I', client.next(agents.CAPS)[4:])[0]
        want(caps & 2 and not caps & 0x68, f'promised: {caps:#x}')
        client.tell(agents.CLIPBOARD, bytes(30000))
        client.tell(agents.MONITORS_CONFIG, struct.pack('<II', 1, 0) + struct.pack('<IIIii', 600, 800, 32, 0, 0))
        setup.screen.until(lambda lines: 'wish 0 1 800 600' in lines, 30, 'no wish')


def ports(folder):
    """Half a megabyte through an echo at the guest's end, on both kinds of channels at once."""
    with Setup(folder) as setup, spice.Session(setup.address) as session, spice.Session(setup.address) as second:
        want((spice.PORT, 0) in session.channels and (WEBDAV, 0) in session.channels, f'channels {session.channels}')
        for name, channel, title in (('port', spice.PORT, b'org.baton.echo'), ('dav', WEBDAV, b'org.spice-space.webdav.0')):
            one_port(setup, session, second, name, channel, title)


def one_port(setup, session, second, name, channel, title):
    link, end, data = session.open(channel), Port(setup.screen, name), noise(500000, channel)
    want(link.until(201) == struct.pack('<IIB', len(title) + 1, 9, 0) + title + b'\0', 'not its name')
    setup.screen.until(lambda lines: f'host {name} 1' in lines, 30, 'the guest does not see the client')
    end.open()
    want(link.until(202) == b'\0', 'not opened')
    saying = meanwhile(lambda: [link.say(101, data[at:at + 50000]) for at in range(0, len(data), 50000)])
    end.until(lambda: len(end.data) >= len(data), 60, 'bytes are missing')
    saying.join()
    want(end.data == data, 'other bytes')
    end.send(data)
    back = b''
    while len(back) < len(data):
        back += link.until(101)
    want(back == data, 'other bytes come back')
    waiting = second.open(channel)
    want(waiting.until(201)[8] == 0, 'it is open for two')
    link.close()
    want(waiting.until(202) == b'\0', 'it does not go on to the next client')
    end.close()
    want(waiting.until(202) == b'\1', 'not closed')


TESTS = [
    ('a_clipboard_goes_both_ways_whole', clipboard),
    ('an_agent_comes_and_goes', comes_and_goes),
    ('what_the_options_forbid_does_not_pass', rules),
    ('screens_and_pointers_go_by_the_agent', screens_and_pointer),
    ('without_an_agent_the_server_takes_the_size', size_without_agent),
    ('ports_carry_bytes_both_ways_for_one_client_after_the_other', ports),
]

if __name__ == '__main__':
    sys.exit(run_tests(TESTS))
