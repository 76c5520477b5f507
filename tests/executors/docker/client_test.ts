/** What the client of the engine is kept from doing: it would cost more than the request, and a new version could find another way to it. */
import assert from "node:assert/strict";
import { Agent } from "node:http";
import { inspect } from "node:util";
import { dockerode, type Modem } from "../../../deps/dockerode.ts";

/** How often the client puts the agent of a request into words, and with it all its connections. */
async function shown(change: (modem: Modem) => void): Promise<number> {
  let times = 0;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("OK"),
  );
  const agent = new Agent({ keepAlive: false });
  Object.defineProperty(agent, inspect.custom, {
    value: () => {
      times++;
      return "agent";
    },
  });
  const modem = dockerode({ host: "127.0.0.1", port: server.addr.port, protocol: "http", agent });
  change(modem);
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  modem.dial(
    { path: "/_ping", method: "GET", statusCodes: { 200: true } },
    (error, answer) => error ? reject(error) : resolve(answer),
  );
  assert.equal(String(await promise), "OK");
  agent.destroy();
  return times;
}

Deno.test("a request is not put into words for a log that nobody keeps", async () => {
  assert.equal(
    await shown(() => {}),
    0,
    "the client no longer sends by buildRequest, which deps/dockerode.ts overrides: find what it calls now",
  );
});

Deno.test("without the override the client puts every request into words", async () => {
  const times = await shown((modem) =>
    void delete (modem as Modem & { buildRequest?: unknown }).buildRequest
  );
  assert.notEqual(times, 0, "the client has ceased to: take the override out of deps/dockerode.ts");
});
