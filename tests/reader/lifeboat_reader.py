#!/usr/bin/env python3
"""Lists and extracts a Lifeboat repository (format 1) on a local disk, without Lifeboat.

    lifeboat_reader.py REPOSITORY SECRET list | extract SNAPSHOT DIRECTORY

SECRET is a file with the passphrase in its first line, or a key file. Written from docs/format.md, to prove
that it says enough. Checks signatures, hashes and ids on its way and stops at the first that is wrong.
Restores no owners, attributes, hard links, devices, fifos or sockets.
"""
import functools, json, os, pathlib, struct, sys
import cbor2, zstandard
from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey as PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SEGMENT, BUNDLE, SNAPSHOT = 3, 4, 5
KEY_OF_TYPE = {1: "data", 2: "meta", SEGMENT: "index", SNAPSHOT: "snapshot"}
ROLES = {"frame": 1, "trailer": 2, "block": 3, "directory": 4, "body": 5}

def need(condition, what):
    if not condition:
        sys.exit(f"lifeboat_reader: {what}")

def derive(context, material):
    return blake3(material, derive_key_context=context).digest()

def inflate(codec, body, length):
    return body if codec == 0 else zstandard.ZstdDecompressor().decompress(body, length)

class Sealed:
    def __init__(self, head, object_type, repository, keys, what):
        magic, found, version, mode, epoch, owner, salt, commitment, sealed_key = struct.unpack(
            "<8sBBBxI16s32s32sH6x", head[:104])
        need((magic, found, owner) == (b"LIFEBOAT", object_type, repository), f"{what}: another object")
        need((version, mode, sealed_key) == (1, 0, 0), f"{what}: of a newer version")
        self.preamble_hash = blake3(head[:104]).digest()
        self.key = derive("lifeboat 1 object", keys[epoch] + salt)
        need(derive("lifeboat 1 commitment", self.key) == commitment, f"{what}: a wrong key")

    def open(self, role, number, sealed, extra=bytes(16)):
        associated = self.preamble_hash + struct.pack("<BQ", ROLES[role], number) + extra
        cipher = AESGCM(derive("lifeboat 1 seal " + role, self.key))
        return cipher.decrypt(struct.pack("<Q4x", number), sealed, associated)

class Repository:
    def __init__(self, path, secret):
        self.path, self.chunks, self.snapshots, text = path, {}, [], (path / "config").read_text()
        self.config = config = json.loads(text)
        need(config["format"] == 1 and not config["features"]["read_required"], "of a newer version")
        self.id = bytes.fromhex(config["repository"])
        bundle = self.unlock(secret)
        signed = "lifeboat 1 config" + text[:text.rindex(',\n  "signature"')]
        root = PublicKey.from_public_bytes(bytes.fromhex(bundle["root_public"]))
        root.verify(bytes.fromhex(config["signature"]), signed.encode())
        self.keys = {object_type: {keys["epoch"]: bytes.fromhex(keys[name]) for keys in bundle["epochs"]}
                     for object_type, name in KEY_OF_TYPE.items()}
        data, name = bytes.fromhex(bundle["content"]["chunk_id"]), "lifeboat 1 {} id".format
        self.id_keys = {"data": data, "node": derive(name("node"), data), "meta": derive(name("meta"), data)}
        self.fold()

    def unlock(self, secret):
        """The key bundle, from the first slot that the secret opens."""
        words = dict(line.split(maxsplit=1) for line in secret.decode().splitlines() if " " in line)
        for path in sorted((self.path / "keys").iterdir()):
            slot, kdf_text = json.loads(path.read_bytes()), "-"
            if slot["kind"] == "passphrase":
                kdf, passphrase = slot["kdf"], secret.splitlines()[0]
                kdf_text = "argon2id {memory_kib} {passes} {lanes} {salt}".format(**kdf)
                kek = hash_secret_raw(passphrase, bytes.fromhex(kdf["salt"]), kdf["passes"],
                                      kdf["memory_kib"], kdf["lanes"], 32, Type.ID, 0x13)
            else:
                kek = derive("lifeboat 1 key file", bytes.fromhex(words.get("key", "")))
            clear = "lifeboat 1 key slot\n{repository}\n{slot}\n{kind}\n{created}\n{0}\n{label}"
            binding = blake3(clear.format(kdf_text, **slot).encode()).digest(16)
            sealed = bytes.fromhex(slot["sealed"])
            try:
                envelope = Sealed(sealed, BUNDLE, self.id, {0: kek}, path.name)
            except SystemExit:
                continue  # Another secret's slot.
            return json.loads(envelope.open("body", 0, sealed[104:], binding))
        need(False, "the secret opens no key slot")

    def fold(self):
        """Reads the log from its beginning: which segments and snapshots count."""
        roles = {bytes.fromhex(key["public"]): key["roles"] for key in self.config["keys"]}
        number, before, log = 0, bytes(32), bytes.fromhex(self.config["log"])
        while (path := self.path / f"log/{number:016x}").exists():
            entry, what = path.read_bytes(), f"log entry {number}"
            magic, version, length = struct.unpack_from("<8sII", entry)
            header, public = cbor2.loads(entry[16:16 + length]), entry[-96:-64]
            PublicKey.from_public_bytes(public).verify(entry[-64:], b"lifeboat 1 log entry" + entry[:-64])
            need([header[i] for i in range(3)] == [log, number, before], f"{what}: belongs elsewhere")
            need({"root", "maintain", "write", "replicate"} & {*roles.get(public, [])}, f"{what}: no role")
            need((magic, version) == (b"LBLOGENT", 1) and (header[3] == 1 or header[4]), f"{what}: too new")
            for object_type, digest, upload, _ in header[7] if header[3] == 1 else []:
                if object_type == SEGMENT:
                    self.read_segment(f"index/{digest.hex()}.{upload.hex()}", digest)
            for _, sealed in header[9] if header[3] == 1 else []:
                envelope = Sealed(sealed, SNAPSHOT, self.id, self.keys[SNAPSHOT], what)
                self.snapshots.append(json.loads(envelope.open("body", 0, sealed[104:])))
            number, before = number + 1, blake3(entry).digest()

    def read_segment(self, key, digest):
        """Adds a segment's records: for each chunk id its frame and its place therein."""
        data, numbers, packs, records = (self.path / key).read_bytes(), {1: 0, 2: 0, 3: 0}, [], []
        need(blake3(data).digest() == digest, f"{key}: damaged")
        sealed = Sealed(data, SEGMENT, self.id, self.keys[SEGMENT], key)
        at, length = struct.unpack_from("<QQ", data, len(data) - 40)
        directory = sealed.open("directory", 0, data[at:at + length])
        for section, at, length, n, _ in struct.iter_unpack("<BQII32s", directory[24:]):
            block = sealed.open("block", section << 32 | numbers[section], data[at:at + length],
                                struct.pack("<BI11x", section, n))
            raw = inflate(block[0], block[8:], int.from_bytes(block[4:8], "little"))
            numbers[section] += 1
            if section == 1:  # Columns: ids, seven numbers, codec, generation.
                table = struct.unpack_from(f"<{7 * n}I", raw, 32 * n)
                records += [(raw[32 * i:][:32], table[i::n], raw[60 * n + i]) for i in range(n)]
            elif section == 3:  # Columns: hashes, upload parts, sizes, kinds.
                packs += [(raw[32 * i:][:32].hex(), raw[32 * n + 8 * i:][:8].hex(), raw[48 * n + i])
                          for i in range(n)]
        for chunk_id, (pack, number, at, sealed_len, raw_len, offset, length), codec in records:
            name, upload, kind = packs[pack]
            path = f"{'packs' if kind == 1 else 'trees'}/{name[:2]}/{name}.{upload}"
            place = (path, kind, number, at, sealed_len, raw_len, codec), offset, length
            self.chunks.setdefault(chunk_id, place)  # The record of the earliest commit counts.

    @functools.lru_cache(64)
    def frame(self, pack, kind, number, at, sealed_len, raw_len, codec):
        with open(self.path / pack, "rb") as file:
            sealed = Sealed(file.read(104), kind, self.id, self.keys[kind], pack)
            file.seek(at)
            return inflate(codec, sealed.open("frame", number, file.read(sealed_len)), raw_len)

    def chunk(self, chunk_id, kind="data"):
        frame, offset, length = self.chunks[chunk_id]
        chunk = self.frame(*frame)[offset:offset + length]
        need(blake3(chunk, key=self.id_keys[kind]).digest() == chunk_id, f"{frame}: another chunk")
        return chunk

    def entries(self, node_id):  # Pairs of path key and entry, in order.
        (version, level, items), key = cbor2.loads(self.chunk(node_id, "node")), b""
        need(version == 1, "a tree node of a newer version")
        for shared, suffix, item, *_ in items:
            key = key[:shared] + suffix
            yield from self.entries(item) if level else [(key, item)]

    def pieces(self, extents, depth, kind="data"):
        """The content that extents describe: bytes, or a number for so much of a hole."""
        if depth:  # They describe a list of extents that was too long for its entry.
            moved = b"".join(self.pieces(extents, 0, "meta"))
            return (yield from self.pieces(cbor2.loads(b"\x9f" + moved + b"\xff"), depth - 1))
        for extent in extents:
            if isinstance(extent, int):
                yield from (min(rest, 1 << 20) for rest in range(extent, 0, -1 << 20))
            elif isinstance(extent, bytes) or len(extent) == 1:
                yield extent if isinstance(extent, bytes) else bytes(extent[0])
            else:
                chunk_id, length, offset = (*extent, 0)[:3]
                yield self.chunk(chunk_id, kind)[offset:offset + length]

def extract(repository, snapshot, target):
    """Writes all roots below `target`, and their metadata when all is there."""
    for root in (root for root in snapshot["roots"] if root.get("tree")):
        name = bytes.fromhex(root["path_hex"]) if "path_hex" in root else root["path"].encode()
        base, written = os.fsencode(target) + b"/" + name.strip(b"/"), []
        for key, entry in repository.entries(bytes.fromhex(root["tree"])):
            need(b"/" not in key and not {b".", b".."} & {*key.split(b"\0")}, f"{key}: leads elsewhere")
            path, kind = b"/".join([base, *key.split(b"\0")]) if key else base, entry.get(0, 0)
            os.makedirs(path if kind == 1 else os.path.dirname(path), exist_ok=True)
            if kind == 2:
                os.symlink(entry[12], path)
            elif kind == 0:
                write_file(repository, path, entry)
            written += [(path, entry)] if kind <= 2 else []
        for path, entry in reversed(written):  # What is in a directory changes its time.
            if entry.get(0, 0) != 2:
                os.chmod(path, entry.get(1, 0))
            seconds, nanoseconds = entry.get(6, (0, 0))
            os.utime(path, ns=(seconds * 10**9 + nanoseconds,) * 2, follow_symlinks=False)

def write_file(repository, path, entry):
    content = blake3()
    with open(path, "xb") as file:
        for piece in repository.pieces(entry.get(17, []), entry.get(18, 0)):
            file.seek(piece, os.SEEK_CUR) if isinstance(piece, int) else file.write(piece)
            content.update(bytes(piece))
        length = file.truncate()
    need(length == entry.get(16, 0) and entry.get(19) in (None, content.digest()), f"{path}: other content")

def main(path, secret, command, wanted="", target=None):
    repository = Repository(pathlib.Path(path), pathlib.Path(secret).read_bytes())
    chosen = [snapshot for snapshot in repository.snapshots if snapshot["id"].startswith(wanted)]
    for snapshot in chosen:
        print(snapshot["id"], snapshot["started"], *(root["path"] for root in snapshot["roots"]))
    if command == "extract":
        need(len(chosen) == 1, f"{len(chosen)} snapshots begin with {wanted}")
        extract(repository, chosen[0], target)

main(*sys.argv[1:])
