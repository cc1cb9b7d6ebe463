"""Damage, as a pure function of a number."""

import random
import re
from collections.abc import Callable

NUMBERS = (
    0,
    1,
    2**7,
    2**8 - 1,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
TOKENS = (
    b"nan",
    b"inf",
    b"-1e999",
    b"",
    b'"',
    b"\n",
    b"\0",
    b"\xff\xfe",
    b",,,,",
    b"../../x",
    b"9" * 40,
)
CODE = (
    b"cos\nsystem\n(S'echo executed > EXECUTED'\ntR.",
    b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x18echo executed > EXECUTED\x85R.",
    b"\x80\x03cbuiltins\neval\nX\x1d\x00\x00\x00open('EXECUTED', 'w').close()\x85R.",
)


def mutant(content: bytes, seed: int) -> bytes:
    """The content with one to eight damages, chosen by the seed."""
    chance = random.Random(seed)
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        chance.choice(DAMAGES)(data, chance)
    return bytes(data)


def position(data: bytearray, chance: random.Random) -> int:
    """Mostly near the beginning or the end, where formats keep what they declare."""
    far = chance.choice((64, 512, 4096, len(data) or 1))
    offset = chance.randrange(min(far, len(data) or 1))
    return offset if chance.random() < 0.7 else max(0, len(data) - 1 - offset)


def flip(data, chance):
    if data:
        data[position(data, chance)] ^= 1 << chance.randrange(8)


def overwrite(data, chance):
    if data:
        data[position(data, chance)] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))


def number(data, chance):
    offset, size = position(data, chance), chance.choice((1, 2, 4, 8))
    value = chance.choice(NUMBERS) % (1 << (8 * size))
    data[offset : offset + size] = value.to_bytes(size, chance.choice(("little", "big")))


def cut(data, chance):
    del data[position(data, chance) :]


def remove(data, chance):
    offset = position(data, chance)
    del data[offset : offset + chance.randrange(1, 64)]


def repeat(data, chance):
    offset, size = position(data, chance), chance.randrange(1, 256)
    data[offset:offset] = bytes(data[offset : offset + size]) * chance.choice((1, 2, 50))


def move(data, chance):
    start, offset, size = position(data, chance), position(data, chance), chance.randrange(1, 256)
    data[offset : offset + size] = data[start : start + size]


def token(data, chance):
    offset = position(data, chance)
    data[offset : offset + chance.randrange(0, 8)] = chance.choice(TOKENS)


def digits(data, chance):
    """Another number where the file spells one."""
    matches = list(re.finditer(rb"\d+", bytes(data[:20_000])))
    if matches:
        match = chance.choice(matches)
        data[match.start() : match.end()] = str(chance.choice(NUMBERS)).encode()


def code(data, chance):
    """A programme in a pickle's clothes, alone or within."""
    if chance.random() < 0.2:
        offset = chance.choice((0, position(data, chance)))
        data[offset:] = chance.choice(CODE)


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(flip, overwrite, number, number, cut, remove, repeat, move, token, digits, code),
)
