"""Model files taken apart, and put together again with digests that are right."""

import json
from hashlib import blake2b

from dcnfast.serving import model_file


def digest(*pieces):
    return blake2b(b"".join(pieces), digest_size=32).hexdigest().encode()


def sealed(tree, data, first=b'{"__metadata__":{"format":"dcnfast-1","digest":"'):
    """Return a file of a header and data whose digests are right."""
    about = tree["__metadata__"]
    begin, end = map(int, about["tables"].split(" ")[0].split("-"))
    blocks = range(begin, end, model_file.BLOCK)
    of_blocks = [
        bytes.fromhex(digest(data[i : min(i + model_file.BLOCK, end)]).decode()) for i in blocks
    ]
    rest = b'","tables":"%d-%d %s",' % (begin, end, digest(*of_blocks))
    kept = {k: v for k, v in about.items() if k not in ("format", "digest", "tables")}
    others = {k: v for k, v in tree.items() if k != "__metadata__"}
    rest += json.dumps(kept).encode()[1:] + b"," + json.dumps(others).encode()[1:]
    n = (len(first) + 64 + len(rest)).to_bytes(8, "little")
    return n + first + digest(n, first, rest, data[:begin], data[end:]) + rest + data


def opened(raw):
    """Return the header and the data of a file."""
    n = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + n]), bytearray(raw[8 + n :])


def mutate(raw, rng):
    """Return the bytes with some of them changed, left out, moved or doubled."""
    changed = bytearray(raw)
    for _ in range(int(rng.integers(1, 4))):
        i = int(rng.integers(len(changed)))
        j = min(len(changed), i + int(rng.integers(1, 40)))
        match int(rng.integers(6)):
            case 0:
                changed[i] ^= int(rng.integers(1, 256))
            case 1:
                del changed[i:j]
            case 2:
                changed[i:i] = changed[i:j]
            case 3:
                changed[i:j] = rng.bytes(j - i)
            case 4:
                changed[i:j] = b"\xff" * (j - i)
            case 5:
                del changed[i:]
        if not changed:
            break
    return bytes(changed)
