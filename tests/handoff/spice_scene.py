# tests/handoff/spice_scene.py - a guest that changes its process while clients look at it.
# SPDX-License-Identifier: GPL-2.0-or-later
from pair import ENDED, Failed, NoNetwork, Pair
from harness import free_port
from spice_mover import Mover

TICKET = 'baton-ticket'


class Scene:
    """A guest with a screen and a keyboard and an agent's port, and who looks at it."""
    def __init__(self, folder, guest, seamless='on', pair=Pair, also=(), options='disable-ticketing=on', is_tls=False, **more):
        self.ports, self.options, self.is_tls = {}, options, is_tls
        devices = ['-device', 'virtio-gpu-device', '-device', 'virtio-keyboard-device',
                   '-device', 'virtio-serial-device,id=vs0', '-chardev', 'spicevmc,id=agent,name=vdagent',
                   '-device', 'virtserialport,chardev=agent,bus=vs0.0,nr=1,name=com.redhat.spice.0', *also]
        self.seamless = seamless
        self.pair = pair(NoNetwork(), [*guest, *devices], folder, netpass=False, more=self.spice, **more)
        self.clients = []

    def spice(self, number):
        self.ports[number] = free_port()
        where = f'{"tls-" if self.is_tls else ""}port={self.ports[number]}'
        return ['-object', f'secret,id=ticket,data={TICKET}',
                '-spice', f'addr=127.0.0.1,{where},{self.options},seamless-migration={self.seamless}']

    def client(self, kind=Mover, *args):
        mover = kind(self.ports[self.pair.number], *args)
        self.clients.append(mover)
        mover.wait(lambda m: ('display' in [name for _, name, _ in m.log]), 'a picture')
        return mover

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for client in self.clients:
            client.close()
        self.pair.close()

    def tell(self, port):
        where = {'port': -1, 'tls-port': port, 'cert-subject': 'CN=localhost'} if self.is_tls else {'port': port, 'tls-port': -1}
        host = 'localhost' if self.is_tls else '127.0.0.1'
        self.pair.now.qmp.execute('client_migrate_info', {'protocol': 'spice', 'hostname': host, **where})

    def announce(self, *extra, through=lambda port: port):
        """The clients know of a process that waits for the guest: (it, where it waits, place in the events)."""
        target, uri = self.pair.listen(*extra)
        since = self.pair.now.qmp.mark()
        self.tell(through(self.ports[self.pair.number]))
        return target, uri, since

    def gone(self, target, since):
        """The guest has gone, and all clients with it: how each went, by QMP."""
        source = self.pair.now
        source.qmp.event('SPICE_MIGRATE_COMPLETED', 60, since=since)
        ways = self.ways(since)
        if not source.qmp.execute('query-spice')['migrated']:
            raise Failed('query-spice does not say that the sessions have gone')
        self.pair.retire(target)
        return ways

    def move(self, **announced):
        """Tells the clients and migrates in the same moment; how each went."""
        target, uri, since = self.announce(**announced)
        self.pair.begin(uri)
        self.pair.finish(target, since)
        return self.gone(target, since)

    def move_one_way(self, uri, is_file=False, sleeper=None, meanwhile=lambda: None):
        """The same by a stream that nobody answers: a pipe of that name, or a file, which is loaded when it is whole."""
        pair = self.pair
        target = pair.start(1 - pair.side, '-incoming', 'defer')
        pair.prepare(target)
        since = pair.now.qmp.mark()
        self.tell(self.ports[pair.number])
        if sleeper:
            sleeper.wait(lambda m: m.ahead, 'to be connected')
            sleeper.freeze()
        if not is_file:
            target.qmp.execute('migrate-incoming', {'uri': f'exec:cat {uri}'})
        pair.begin(f'file:{uri}' if is_file else f'exec:cat > {uri}')
        pair.now.qmp.event('MIGRATION', 60, since=since, status=ENDED)
        meanwhile()
        if is_file:
            target.qmp.execute('migrate-incoming', {'uri': f'file:{uri}'})
        pair.finish(target, since)
        if sleeper:
            sleeper.freeze(False)
        return self.gone(target, since)

    def move_but(self, sleeper):
        """All clients are connected there, and one of them sleeps, when the guest moves: (its process, place in the events,
        what it cost)."""
        target, uri, since = self.announce()
        for client in self.clients:
            client.wait(lambda m: m.ahead, 'to be connected')
        sleeper.freeze()
        self.pair.begin(uri)
        return target, since, self.pair.finish(target, since)

    def ways(self, since):
        qmp = self.pair.now.qmp
        with qmp.changed:
            return [event['data'] for event in qmp.events[since:] if event['event'] == 'DISPLAY_MIGRATE_COMPLETE']


def expect_ways(ways, *wanted):
    if sorted(way['way'] for way in ways) != sorted(wanted):
        raise Failed(f'the clients went {ways}, not {wanted}')
