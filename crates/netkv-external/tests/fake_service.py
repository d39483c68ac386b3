"""Stands in for Dynamo's selection service: the same calls, its own books, and whatever fault is asked for."""
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

FAULT = os.environ.get("FAULT", "")
WORKERS, BOOKS, CALLS = {}, {}, []


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        if FAULT == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")

    def do_POST(self):
        body = self.body()
        if self.path == "/workers":
            WORKERS[body["worker_id"]] = body
            return self.reply(201, body)
        if self.path.endswith("/prefill_complete"):
            return self.reply(200 if self.path.split("/")[2] in BOOKS else 404, {"status": "ok"})
        if self.path == "/potential_loads":
            # For a moment nobody is counted.
            CALLS.append(0)
            return self.reply(200, [{"worker_id": w, "potential_decode_blocks": int(len(CALLS) > 2)} for w in WORKERS])
        if FAULT == "die":
            sys.stderr.write("out of memory\n")
            sys.stderr.flush()
            os._exit(3)
        if FAULT == "hang":
            time.sleep(60)
        if FAULT == "status":
            return self.reply(503, {"error": "no schedulable workers are available"})
        if FAULT == "nonsense":
            return self.reply(200, {"worker": 1})
        if FAULT == "unknown":
            return self.reply(200, {"worker_id": 17})
        assert body["router_config_override"]["overlap_score_credit"] == 0.0
        assert len(body["block_hashes"]) == body["isl_tokens"] // WORKERS[0]["block_size"]
        held = {worker: 0 for worker in body.get("allowed_worker_ids") or WORKERS}
        for worker, blocks in BOOKS.values():
            if worker in held:
                held[worker] += blocks
        chosen = min(held, key=lambda worker: (held[worker], worker))
        BOOKS[body["selection_id"]] = (chosen, len(set(body["sequence_hashes"])))
        self.reply(200, {"worker_id": chosen, "potential_decode_blocks": held[chosen] + -(-body["isl_tokens"] // 16)})

    def do_DELETE(self):
        self.body()
        if FAULT == "forgets":
            BOOKS.clear()
        held = BOOKS.pop(self.path.split("/")[2], None)
        self.reply(200, {"status": "ok"}) if held else self.reply(404, {"error": "reservation not found"})

    def log_message(self, *_):
        pass


if FAULT == "late":
    time.sleep(0.5)
HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Service).serve_forever()
