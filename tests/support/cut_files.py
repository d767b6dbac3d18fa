# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a power cut leaves of files and folders that a command changes, and whether that can be finished.

cut_files.py ROOT LOG BEFORE JUDGE STATES
    LOG is what strace -f -y -xx noted of the command, which ran with the tree ROOT as it is in the copy BEFORE. ROOT is
    made what a power cut at any moment could have left, and JUDGE is run there, a command that exits with 0 if all is
    well. STATES is how many are looked at between two calls, at most; 0: no limit.

What is on stable storage: of a file what its last fsync covered; of a folder the names at its last fsync. All else since
is there or not, each piece by itself: a sector of 512 bytes of a write, the length, the mode; a name of a folder, with
what it meant at any moment since. The two names of a rename are two pieces.
"""

import hashlib
import os
import random
import re
import shutil
import subprocess
import sys

SECTOR = 512
CALLS = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
DESCRIPTOR = re.compile(r"^(?:AT_FDCWD|\d+)<([^>]*)>")


def decode(text):
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()


class File:
    """One file: a list of changes since it was synced, over what it was then."""

    def __init__(self, data=b"", mode=0o600):
        self.synced = (data, mode)
        self.changes = []  # (kind, offset or mode, bytes)

    def sync(self):
        self.synced = self.made(None)
        self.changes = []

    def pieces(self):
        return sum(max(1, -(-len(data) // SECTOR)) for _, _, data in self.changes)

    def made(self, survives):
        """With the pieces for which survives() is true; all for None."""
        data, mode = self.synced
        data = bytearray(data)
        for kind, where, more in self.changes:
            if kind == "write":
                at = 0
                while at < len(more):
                    end = min(len(more), (where + at) // SECTOR * SECTOR + SECTOR - where)
                    if survives is None or survives():
                        if len(data) < where + end:
                            data.extend(bytes(where + end - len(data)))
                        data[where + at : where + end] = more[at:end]
                    at = end
            elif survives is None or survives():
                if kind == "mode":
                    mode = where
                elif kind == "zeros":
                    last = min(len(data), where + len(more))
                    data[where:last] = bytes(max(0, last - where))
                elif kind == "grow":
                    data.extend(bytes(max(0, where - len(data))))
                elif kind == "cut":
                    data = data[:where] + bytes(max(0, where - len(data)))
        return bytes(data), mode


class Folder:
    """One folder: for each name what it means, and all that it meant since the folder was synced."""

    def __init__(self):
        self.names = {}
        self.since = {}

    def set(self, name, node):
        self.since.setdefault(name, [self.names.get(name)]).append(node)
        if node is None:
            self.names.pop(name, None)
        else:
            self.names[name] = node

    def sync(self):
        self.since = {}

    def made(self, choose):
        names = dict(self.names)
        for name, history in self.since.items():
            node = history[-1] if choose is None else choose(history)
            names.pop(name, None)
            if node is not None:
                names[name] = node
        return names


def load(path):
    folder = Folder()
    for entry in os.scandir(path):
        if entry.is_dir(follow_symlinks=False):
            folder.names[entry.name] = load(entry.path)
        else:
            with open(entry.path, "rb") as file:
                folder.names[entry.name] = File(file.read(), entry.stat().st_mode & 0o7777)
    return folder


class Tree:
    """The tree as the calls change it."""

    def __init__(self, root, before):
        self.root, self.top = root.encode(), load(before)
        self.offsets = {}

    def split(self, path):
        """The folder and the last name, or None where it is outside."""
        path = os.path.normpath(path)
        if not path.startswith(self.root + b"/"):
            return None
        parts = path[len(self.root) + 1 :].decode().split("/")
        folder = self.top
        for part in parts[:-1]:
            folder = folder.names.get(part)
            if not isinstance(folder, Folder):
                return None
        return folder, parts[-1]

    def find(self, path):
        if os.path.normpath(path) == self.root:
            return self.top
        place = self.split(path)
        return None if place is None else place[0].names.get(place[1])

    def nodes(self):
        found, todo = [], [self.top]
        while todo:
            node = todo.pop()
            found.append(node)
            if isinstance(node, Folder):
                many = list(node.names.values())
                for history in node.since.values():
                    many += [one for one in history if one is not None]
                todo += [one for one in many if all(one is not known for known in found + todo)]
        return found

    def pending(self):
        return sum(node.pieces() if isinstance(node, File) else len(node.since) for node in self.nodes())

    # ---- Calls

    def call(self, name, words, result):
        """True when it changed something of the tree."""
        handler = getattr(self, "do_" + name, None)
        if handler is None:
            raise SystemExit(f"cut_files: {name} is not known")
        return bool(handler(words, result))

    def paths(self, words):
        """The paths of a call's arguments: each behind its folder's descriptor, or in ROOT, where the command runs."""
        found, folder = [], self.root
        for word in words:
            at = DESCRIPTOR.match(word)
            text = STRING.fullmatch(word)
            if at:
                folder = decode(at[1])
            elif text:
                found.append(os.path.join(folder, decode(text[1])))
        return found

    def described(self, words):
        return decode(DESCRIPTOR.match(words[0])[1])

    def do_openat(self, words, result):
        path = self.paths(words)[0]
        place = self.split(path)
        if place is None or "O_CREAT" not in words[2]:
            return False
        folder, name = place
        if name in folder.names:
            return False
        folder.set(name, File(mode=int(words[3], 8)))
        self.offsets[id(folder.names[name])] = 0
        return True

    def do_mkdir(self, words, result):
        place = self.split(self.paths(words)[0])
        if place is not None:
            place[0].set(place[1], Folder())
        return place is not None

    def do_unlink(self, words, result):
        place = self.split(self.paths(words)[0])
        if place is not None:
            place[0].set(place[1], None)
        return place is not None

    do_unlinkat = do_unlink

    def do_rename(self, words, result):
        old, new = (self.split(path) for path in self.paths(words))
        if new is not None:
            node = old[0].names[old[1]]
            new[0].set(new[1], node)
            old[0].set(old[1], None)
        return new is not None

    do_renameat = do_renameat2 = do_rename

    def note(self, words, *change):
        node = self.find(self.described(words))
        if isinstance(node, File):
            node.changes.append(change)
        return node is not None

    def do_write(self, words, result):
        node = self.find(self.described(words))
        if not isinstance(node, File):
            return False
        at = self.offsets.get(id(node), 0)
        self.offsets[id(node)] = at + result
        return self.note(words, "write", at, decode(STRING.fullmatch(words[1])[1])[:result])

    def do_pwrite64(self, words, result):
        return self.note(words, "write", int(words[3]), decode(STRING.fullmatch(words[1])[1])[:result])

    def do_pwritev(self, words, result):
        data = b"".join(decode(text) for text in STRING.findall(words[1]))
        return self.note(words, "write", int(words[-1]), data[:result])

    def do_ftruncate(self, words, result):
        return self.note(words, "cut", int(words[1]), b"")

    def do_fallocate(self, words, result):
        if "PUNCH_HOLE" in words[1] or "ZERO_RANGE" in words[1]:
            return self.note(words, "zeros", int(words[2]), bytes(int(words[3])))
        return "KEEP_SIZE" not in words[1] and self.note(words, "grow", int(words[2]) + int(words[3]), b"")

    def do_fchmod(self, words, result):
        return self.note(words, "mode", int(words[1], 8), b"")

    def do_fchmodat(self, words, result):
        node = self.find(self.paths(words)[0])
        if isinstance(node, File):
            node.changes.append(("mode", int(words[2], 8), b""))
        return node is not None

    def do_fsync(self, words, result):
        node = self.find(self.described(words))
        if node is not None:
            node.sync()
        return node is not None

    do_fdatasync = do_fsync


def arguments(text):
    """The words of a call: commas inside strings (which are hexadecimal), brackets and names of descriptors are none."""
    words, depth, start, quoted = [], 0, 0, False
    for at, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif not quoted and letter in "[{<(":
            depth += 1
        elif not quoted and letter in "]}>)":
            depth -= 1
        elif letter == "," and depth == 0 and not quoted:
            words.append(text[start:at].strip())
            start = at + 1
    return words + [text[start:].strip()]


# ---- States


def write_out(path, names, choose, survives, digest):
    """Makes the folder `path` hold these; folders that stay are the same ones."""
    for entry in list(os.scandir(path)):
        if entry.is_dir(follow_symlinks=False):
            if not isinstance(names.get(entry.name), Folder):
                shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    for name in sorted(names):
        node, place = names[name], os.path.join(path, name)
        if isinstance(node, Folder):
            if not os.path.isdir(place):
                os.mkdir(place, 0o700)
            digest.update(f"folder {place}".encode())
            write_out(place, node.made(choose), choose, survives, digest)
            continue
        data, mode = node.made(survives)
        digest.update(f"file {place} {mode} {len(data)}".encode() + data)
        with open(place, "wb") as file:
            file.write(data)
        os.chmod(place, mode)


class Judging:
    def __init__(self, root, judge):
        self.root, self.judge = root, judge
        self.seen, self.states = set(), 0

    def state(self, tree, choose, survives, what):
        digest = hashlib.sha256()
        write_out(self.root, tree.top.made(choose), choose, survives, digest)
        self.states += 1
        if digest.digest() in self.seen:
            return
        self.seen.add(digest.digest())
        if subprocess.run(self.judge, check=False).returncode != 0:
            raise SystemExit(f"cut_files: {what}")

    def moment(self, tree, limit, what, chance):
        """All that the last call can have left: everything, nothing, and each of the subsets, or some that are drawn."""
        self.state(tree, None, None, f"{what}, all of it")
        self.state(tree, lambda history: history[0], lambda: False, f"{what}, nothing since the syncs")
        pending = tree.pending()
        if pending < 20 and 2**pending <= (limit or 65536):
            for subset in range(1, 2**pending - 1):
                bits = iter([subset >> at & 1 for at in range(pending)])
                self.state(
                    tree,
                    lambda history: history[-1 if next(bits) else 0],
                    lambda: next(bits) == 1,
                    f"{what}, subset {subset}",
                )
            return
        for one in range(limit or 1024):
            likely = chance.choice((0.1, 0.5, 0.9))
            self.state(
                tree,
                lambda history: chance.choice(history) if chance.random() < 0.5 else history[-1 if likely > 0.5 else 0],
                lambda: chance.random() < likely,
                f"{what}, draw {one}",
            )


def main():
    root, log, before, judge, limit = sys.argv[1:]
    tree, judging = Tree(os.path.realpath(root), before), Judging(root, judge)
    chance = random.Random(11)
    moments = 0
    judging.moment(tree, int(limit), "before", chance)
    with open(log, encoding="ascii") as lines:
        for line in lines:
            found = CALLS.match(line)
            if "unfinished" in line or "resumed>" in line:
                raise SystemExit(f"cut_files: two calls at once: {line[:200]}")
            if not found or int(found[3]) < 0:
                continue
            if tree.call(found[1], arguments(found[2]), int(found[3])):
                moments += 1
                what = f"cut after change {moments}, {line[:150].strip()}"
                judging.moment(tree, int(limit), what, chance)
    print(f"{moments} changes, {judging.states} states, {len(judging.seen)} of them different")
    if moments < 5:
        raise SystemExit("cut_files: that is no recording")


main()
