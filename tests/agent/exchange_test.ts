import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { Exchange } from "../../agent/exchange.ts";
import { Refusal } from "../../agent/refusal.ts";

Deno.test("an exchange whose connection tells of nothing any more ends by force, when it was ended", async () => {
  const request = Object.assign(new EventEmitter(), { complete: true, headers: {}, method: "GET" });
  let destroyed = false;
  // It takes an answer, and says neither that it was handed over nor that the client has gone.
  const response = Object.assign(new EventEmitter(), {
    writableFinished: false,
    destroyed: false,
    writeHead: () => {},
    end: () => {},
    destroy: () => void (destroyed = true),
  });
  const traffic = { up: 0, down: 0, copiedUp: 0, copiedDown: 0 };
  const exchange = new Exchange("4f1d", request as never, response as never, traffic, false, 50);
  exchange.text(200, "whale");
  const closed = exchange.close();
  exchange.abort(new Refusal(410, "The attempt is over"));
  await closed;
  assert(destroyed);
  // Nothing is left that could end it once more.
  exchange.abort(new Refusal(410, "The attempt is over"));
});
