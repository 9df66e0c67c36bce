"""Frames of HTTP/2 as bytes, sound ones and others."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 0x1, 0x4


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    length = len(payload) if length is None else length
    return struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header that is not indexed and not compressed; both texts below 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def long_literal(name, size):
    """The same with a value of so many bytes."""
    rest, length = size - 127, b"\x7f"
    while rest >= 128:
        length += bytes([rest % 128 + 128])
        rest //= 128
    return b"\x00" + bytes([len(name)]) + name + length + bytes([rest]) + b"a" * size


def request(path, content_type=b"application/grpc", more=b""):
    return b"".join(
        [
            literal(b":method", b"POST"),
            literal(b":scheme", b"http"),
            literal(b":path", path),
            literal(b":authority", b"127.0.0.1"),
            literal(b"content-type", content_type),
            literal(b"te", b"trailers"),
            more,
        ]
    )


def headers(stream, path, flags=END_HEADERS, more=b""):
    return frame(HEADERS, flags, stream, request(path, more=more))


def message(payload, flag=0, length=None):
    length = len(payload) if length is None else length
    return bytes([flag]) + struct.pack(">I", length) + payload


def connect(address, settings=b"", greet=True):
    peer = socket.create_connection(address, timeout=5)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if greet:
        peer.sendall(PREFACE + frame(SETTINGS, payload=settings))
    return peer


def call(address, path, body):
    """A call as a good client makes it, within the windows of the server."""
    with connect(address) as peer, peer.makefile("rb") as answers:
        peer.sendall(headers(1, path))
        windows, at = {0: 65535, 1: 65535}, 0
        while at < len(body):
            size = min(windows[0], windows[1], 16000)
            if size > 0:
                piece = body[at : at + size]
                peer.sendall(frame(DATA, 0, 1, piece))
                at += len(piece)
                windows = {which: left - len(piece) for which, left in windows.items()}
                continue
            kind, stream, payload = read_frame(answers)
            if kind in (HEADERS, RST, GOAWAY):
                return
            if kind == WINDOW:
                windows[stream] += struct.unpack(">I", payload)[0]
            # They hold from when they are acknowledged.
            if kind == SETTINGS and payload:
                for name, value in struct.iter_unpack(">HI", payload):
                    windows[1] += value - 65535 if name == 4 else 0
                peer.sendall(frame(SETTINGS, 0x1))
        peer.sendall(frame(DATA, END_STREAM, 1))
        while read_frame(answers)[0] not in (HEADERS, RST, GOAWAY):
            pass


def read_frame(answers):
    head = answers.read(9)
    if len(head) < 9:
        raise ConnectionError("the server has closed the connection")
    stream = struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF
    return head[3], stream, answers.read(int.from_bytes(head[:3], "big"))
