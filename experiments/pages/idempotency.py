"""The SQL and Python of docs/patterns/retry-and-idempotency.md, run against a real PostgreSQL.

The blocks are taken from the page as they stand. The server is started for this run only: in a directory of its own,
without TCP, and stopped at the end. It needs Debian's `postgresql` and `python3-psycopg`.
"""

import glob
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "patterns" / "retry-and-idempotency.md"
PATIENCE = 30  # seconds until a wait is a failure


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def one(blocks, marker):
    found = [block for block in blocks if marker in block]
    assert len(found) == 1, f"{len(found)} blocks of {PAGE.name} contain `{marker}`"
    return found[0]


SCHEMA = one(blocks("sql"), "CREATE TABLE idempotency_keys")
CLEAN_UP = one(blocks("sql"), "DELETE FROM idempotency_keys")
page = {}
exec(compile(one(blocks("python"), "def once("), str(PAGE), "exec"), page)
once, post_payment = page["once"], page["post_payment"]


class Server:
    """A PostgreSQL that listens on a Unix socket only. It does not run as root, so there it runs as `postgres`."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="idempotency-")
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(self.dir, "postgres", "postgres")
        bin_dir = max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[4]))
        data = f"{self.dir}/data"
        initdb = [f"{bin_dir}/initdb", "-D", data, "-A", "trust", "-U", "page", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=self.dir, **self.user)
        serve = [f"{bin_dir}/postgres", "-D", data, "-k", self.dir, "-c", "listen_addresses=", "-c", "fsync=off"]
        with open(f"{self.dir}/log", "wb") as log:
            self.process = subprocess.Popen(serve, stdout=log, stderr=log, cwd=self.dir, **self.user)
        until(self.accepts)

    def connect(self):
        return psycopg.connect(f"host={self.dir} user=page dbname=postgres")

    def accepts(self):
        assert self.process.poll() is None, pathlib.Path(self.dir, "log").read_text(encoding="utf-8")
        try:
            self.connect().close()
            return True
        except psycopg.OperationalError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.dir, ignore_errors=True)


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Clients:
    """Connections to a database with the page's tables, empty."""

    def __init__(self, server):
        self.server = server
        with server.connect() as conn:
            conn.execute("DROP TABLE IF EXISTS idempotency_keys, payments")
            conn.execute(SCHEMA)

    def pay(self, caller="shop", key="order-1", body=b'{"order": "1", "cents": 1250}'):
        with self.server.connect() as conn:
            return post_payment(conn, caller, key, body)

    def value(self, sql):
        with self.server.connect() as conn:
            return conn.execute(sql).fetchone()[0]

    def payments(self):
        return self.value("SELECT count(*) FROM payments")

    def start(self, effect):
        """A request in another thread, with an effect of its own."""

        def run():
            with self.server.connect() as conn:
                try:
                    running.result = once(conn, "shop", "order-1", b"the same request", effect)
                except RuntimeError as error:
                    running.result = error

        running = threading.Thread(target=run)
        running.start()
        return running

    def wait_for_a_blocked_one(self):
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        until(lambda: self.value(blocked) == 1)


def insert(conn):
    conn.execute("INSERT INTO payments (order_id, cents) VALUES ('1', 1250)")
    return 201, {"order": "1"}


def a_repeated_request_gets_the_stored_response(clients):
    first = clients.pay()
    assert first[0] == 201, first
    assert clients.pay() == first
    assert clients.payments() == 1


def another_request_with_the_key_is_refused(clients):
    clients.pay()
    assert clients.pay(body=b'{"order": "1", "cents": 9900}')[0] == 422
    assert clients.payments() == 1


def a_key_belongs_to_its_caller(clients):
    clients.pay(caller="shop")
    assert clients.pay(caller="kiosk")[0] == 201
    assert clients.payments() == 2


def a_request_without_a_key_is_refused(clients):
    assert clients.pay(key=None)[0] == 400
    assert clients.pay(key="k" * 256)[0] == 400
    assert clients.payments() == 0


def an_effect_that_fails_leaves_the_key_free(clients):
    def broken(conn):
        insert(conn)
        raise RuntimeError("the effect failed")

    failed = clients.start(broken)
    failed.join(PATIENCE)
    assert isinstance(failed.result, RuntimeError)
    assert (clients.payments(), clients.value("SELECT count(*) FROM idempotency_keys")) == (0, 0)
    again = clients.start(insert)
    again.join(PATIENCE)
    assert again.result == (201, {"order": "1"}), again.result


def concurrent_duplicates_have_one_effect(clients):
    together = threading.Barrier(8)
    results = []

    def run():
        together.wait(PATIENCE)
        results.append(clients.pay())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [status for status, _ in results] == [201] * 8, results
    assert all(result == results[0] for result in results), results
    assert clients.payments() == 1


def a_duplicate_waits_for_the_first_and_then_replays_it(clients):
    proceed = threading.Event()

    def slow(conn):
        assert proceed.wait(PATIENCE)
        return insert(conn)

    first = clients.start(slow)
    until(lambda: clients.value("SELECT count(*) FROM pg_locks WHERE relation = 'idempotency_keys'::regclass") > 0)
    second = clients.start(insert)
    clients.wait_for_a_blocked_one()
    proceed.set()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert first.result == second.result == (201, {"order": "1"}), (first.result, second.result)
    assert clients.payments() == 1


def a_duplicate_takes_over_when_the_first_fails(clients):
    proceed = threading.Event()

    def broken(conn):
        assert proceed.wait(PATIENCE)
        raise RuntimeError("the effect failed")

    first = clients.start(broken)
    until(lambda: clients.value("SELECT count(*) FROM pg_locks WHERE relation = 'idempotency_keys'::regclass") > 0)
    second = clients.start(insert)
    clients.wait_for_a_blocked_one()
    proceed.set()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert isinstance(first.result, RuntimeError), first.result
    assert second.result == (201, {"order": "1"}), second.result
    assert clients.payments() == 1


def a_duplicate_of_one_that_takes_too_long_is_told_to_come_back(clients):
    proceed = threading.Event()

    def slow(conn):
        assert proceed.wait(PATIENCE)
        return insert(conn)

    first = clients.start(slow)
    until(lambda: clients.value("SELECT count(*) FROM pg_locks WHERE relation = 'idempotency_keys'::regclass") > 0)
    second = clients.start(insert)
    second.join(PATIENCE)
    assert second.result[0] == 409, second.result
    proceed.set()
    first.join(PATIENCE)
    assert first.result[0] == 201, first.result
    assert clients.payments() == 1


def an_expired_key_counts_as_new_before_and_after_the_clean_up(clients):
    clients.pay(key="old")
    clients.pay(key="young")
    age = "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'old'"
    with clients.server.connect() as conn:
        conn.execute(age)
    assert clients.pay(key="old", body=b'{"order": "2", "cents": 1}') == (201, {"order": "2", "cents": 1})
    assert clients.payments() == 3
    with clients.server.connect() as conn:
        conn.execute(age)
    with clients.server.connect() as conn:
        conn.execute(CLEAN_UP)
    assert clients.value("SELECT string_agg(key, ',') FROM idempotency_keys") == "young"


SCENARIOS = [
    a_repeated_request_gets_the_stored_response,
    another_request_with_the_key_is_refused,
    a_key_belongs_to_its_caller,
    a_request_without_a_key_is_refused,
    an_effect_that_fails_leaves_the_key_free,
    concurrent_duplicates_have_one_effect,
    a_duplicate_waits_for_the_first_and_then_replays_it,
    a_duplicate_takes_over_when_the_first_fails,
    a_duplicate_of_one_that_takes_too_long_is_told_to_come_back,
    an_expired_key_counts_as_new_before_and_after_the_clean_up,
]


def main():
    server = Server()
    try:
        for scenario in SCENARIOS:
            scenario(Clients(server))
            print(f"ok  {scenario.__name__}")
    finally:
        server.stop()
    print(f"{len(SCENARIOS)} scenarios hold on PostgreSQL")


if __name__ == "__main__":
    sys.exit(main())
