"""Prints crates/codec/fixtures/vectors.json: what format 1 computes, by other implementations than ours.

Written from docs/format.md with argon2-cffi, blake3 and cryptography, so that a mistake in the Rust
code can't also be in the expected values. Run it again only for a new kind of vector.
"""

import json
import struct

from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROLES = {"frame": 1, "trailer": 2, "block": 3, "directory": 4, "body": 5}
TEXT = b"The boats are made fast; all hands are accounted for."


def derive(context, material, length=32):
    return blake3(material, derive_key_context=context).digest(length)


def hashes():
    key = bytes(range(32))
    path = b"etc\0ssh\0sshd_config"
    return {
        "chunk_id_key": key.hex(),
        "chunk": TEXT.hex(),
        "data_id": blake3(TEXT, key=key).hexdigest(),
        "node_id": blake3(TEXT, key=derive("lifeboat 1 node id", key)).hexdigest(),
        "meta_id": blake3(TEXT, key=derive("lifeboat 1 meta id", key)).hexdigest(),
        "object_hash": blake3(TEXT).hexdigest(),
        "tree_boundary_key": key.hex(),
        "path_key": path.hex(),
        "boundary": blake3(path, key=key).digest(8)[::-1].hex(),
    }


def seals():
    role_key, salt, repository = bytes([0x21]) * 32, bytes(range(100, 132)), bytes(range(16))
    vectors = []
    for object_type, role, number, extra in [
        (1, "frame", 7, bytes(16)),
        (2, "trailer", 0, bytes(16)),
        (3, "block", (1 << 32) | 5, struct.pack("<BI11x", 1, 1024)),
        (3, "directory", 0, bytes(16)),
        (5, "body", 0, bytes(16)),
    ]:
        object_key = derive("lifeboat 1 object", role_key + salt)
        commitment = derive("lifeboat 1 commitment", object_key)
        preamble = struct.pack("<8sBBBBI16s32s32sH6x", b"LIFEBOAT", object_type, 1, 0, 0, 9,
                               repository, salt, commitment, 0)
        associated = blake3(preamble).digest() + struct.pack("<BQ", ROLES[role], number) + extra
        nonce = struct.pack("<Q4x", number)
        key = derive("lifeboat 1 seal " + role, object_key)
        vectors.append({
            "role_key": role_key.hex(), "object_type": object_type, "epoch": 9,
            "repository": repository.hex(), "salt": salt.hex(), "object_key": object_key.hex(),
            "commitment": commitment.hex(), "preamble": preamble.hex(), "role": role,
            "number": number, "extra": extra.hex(), "associated_data": associated.hex(),
            "seal_key": key.hex(), "nonce": nonce.hex(), "plaintext": TEXT.hex(),
            "sealed": AESGCM(key).encrypt(nonce, TEXT, associated).hex(),
        })
    return vectors


def signatures():
    seed, domain = bytes([0x42]) * 32, b"lifeboat 1 log entry"
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"seed": seed.hex(), "public": public.hex(), "domain": domain.decode(),
            "message": TEXT.hex(), "signature": key.sign(domain + TEXT).hex()}


def kdf():
    secret, salt = bytes(range(64, 96)), bytes(range(16))
    passphrase = "correct horse battery staple \u2693"
    kek = hash_secret_raw(passphrase.encode(), salt, time_cost=3, memory_cost=1024, parallelism=4,
                          hash_len=32, type=Type.ID, version=0x13)
    return {"passphrase": passphrase, "salt": salt.hex(), "memory_kib": 1024, "passes": 3,
            "lanes": 4, "kek": kek.hex(), "key_file_secret": secret.hex(),
            "key_file_kek": derive("lifeboat 1 key file", secret).hex()}


def cuts():
    """FastCDC of 2020 at normalisation level 1, byte by byte, for averages of 2^17 bytes."""
    least, average, most = 32 << 10, 128 << 10, 512 << 10
    before, behind = 0x0000D90707537000, 0x0000D90303537000
    key = bytes([0x11]) * 32
    gear = struct.unpack("<256Q", derive("lifeboat 1 gear table", key, 2048))
    data = blake3(b"lifeboat golden cuts").digest(4 << 20)
    lengths, start = [], 0
    while start < len(data):
        end = min(len(data), start + most)
        cut, value = end, 0
        for place in range(start + least, end - (end - start) % 2):
            value = ((value << 1) + gear[data[place]]) & (1 << 64) - 1
            if not value & (before if place < start + average else behind):
                cut = place
                break
        lengths.append(cut - start)
        start = cut
    return {"cut_key": key.hex(), "min": least, "avg": average, "max": most,
            "gear_first": f"{gear[0]:016x}", "gear_last": f"{gear[255]:016x}",
            "stream": "lifeboat golden cuts", "stream_bytes": len(data), "lengths": lengths}


def padme():
    def padded(length):
        exponent = length.bit_length() - 1
        free = exponent - exponent.bit_length()
        return (length + (1 << free) - 1) >> free << free
    return [[length, padded(length)] for length in (2, 9, 100, 4097, 1_000_000, 33_554_433)]


def parity():
    """Five stripes of 128 bytes and three of parity, by plain interpolation as docs/format.md says it."""
    basis = [0x0001, 0xACCA, 0x3C0E, 0x163E, 0xC582, 0xED2E, 0x914C, 0x4012, 0x6C98, 0x10D8, 0x6A72, 0xB900,
             0xFDB8, 0xFB34, 0xFF38, 0x991E]
    element = [0]
    for one in basis:
        element += [one ^ other for other in element]
    number = {value: at for at, value in enumerate(element)}

    def times(a, b):
        product = 0
        while b:
            product ^= a if b & 1 else 0
            a, b = a << 1 ^ (0x1002D if a & 0x8000 else 0), b >> 1
        return product

    def inverse(a):  # To the power of 2^16 - 2.
        power, result = a, 1
        for _ in range(15):
            power = times(power, power)
            result = times(result, power)
        return result

    def interpolate(points, values, at):
        total = 0
        for one, value in zip(points, values):
            for other in points:
                if other != one:
                    quotient = times(element[at] ^ element[other], inverse(element[one] ^ element[other]))
                    value = times(value, quotient)
            total ^= value
        return total

    def symbols(stripe):  # Of 64 bytes the first half are low bytes, the second half high ones.
        return [element[block[i] | block[i + 32] << 8]
                for block in (stripe[at:at + 64] for at in range(0, len(stripe), 64)) for i in range(32)]

    body = [bytes((stripe * 37 + i * (stripe + 3)) % 256 for i in range(128)) for stripe in range(5)]
    count, chunk = 3, 4
    columns = [symbols(stripe) for stripe in body] + [[0] * 64] * (-len(body) % chunk)
    made = []
    for at in range(count):
        sums = [0] * 64
        for first in range(0, len(columns), chunk):
            points = range(chunk + first, 2 * chunk + first)
            for i in range(64):
                sums[i] ^= interpolate(points, [columns[first + k][i] for k in range(chunk)], at)
        numbers = [number[value] for value in sums]
        made.append(b"".join(bytes(n & 255 for n in half) + bytes(n >> 8 for n in half)
                             for half in (numbers[:32], numbers[32:])))
    return {"body": [stripe.hex() for stripe in body], "parity": [stripe.hex() for stripe in made]}


print(json.dumps({"hash": hashes(), "seal": seals(), "sign": signatures(), "kdf": kdf(),
                  "cut": cuts(), "padme": padme(), "parity": parity()}, indent=1))
