"""CPU time per event of a core in Python: ``python perf/semantics_core.py ROOT RULES RECORDS``.

Run by ``perf.semantics`` with the sources of any commit under ROOT, so it uses only what they all
have: decode, unpack, step, pack, encode. RECORDS is a pickle of (key, value, timestamp in ms).
Prints microseconds per record, and outputs per record.
"""

import gc
import pickle
import sys
import time
from pathlib import Path


def main() -> None:
    root, rules_path, records_path = sys.argv[1:]
    sys.path.insert(0, root)
    from streamproc.contracts.codec import DecodeFailure, decode_event, encode_effect
    from streamproc.contracts.rulesfile import load_rulebook
    from streamproc.core.events import Arrival
    from streamproc.core.model import Account, pack, unpack
    from streamproc.core.transition import step

    assert sys.modules["streamproc"].__file__ == f"{root}/streamproc/__init__.py"
    rules = load_rulebook(Path(rules_path).read_text(encoding="utf-8"), rules_path)
    records = pickle.loads(Path(records_path).read_bytes())
    rows: dict[bytes, bytes] = {}
    outputs = 0
    gc.collect()
    gc.disable()
    began = time.process_time()
    for offset, (key, value, at_ms) in enumerate(records):
        try:
            event = decode_event(value, key, ())
        except DecodeFailure:
            continue
        if not hasattr(event, "subscriber"):
            continue  # the clock alone
        data = rows.get(key)
        account: Account | None = None if data is None else unpack(data)
        account, effects = step(account, event, Arrival(at_ms, "events", 0, offset), rules)
        for effect in effects:
            encode_effect(effect)
        outputs += len(effects)
        if account is not None:
            rows[key] = pack(account)
    seconds = time.process_time() - began
    print(seconds * 1e6 / len(records), outputs / len(records))


if __name__ == "__main__":
    main()
