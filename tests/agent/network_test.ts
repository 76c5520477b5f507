/** Tests of where the agent listens: ports, TLS, IPv6, several behind one address, and what can be wrong with it. */
import assert from "node:assert/strict";
import { startAgent } from "../../agent/mod.ts";
import type { Bytes } from "../../core/bytes.ts";
import { MemoryBlobRepository } from "../../repositories/memory.ts";
import type { AgentOptions } from "../../tasks/agent_options.ts";
import { agentFaults } from "../../tasks/agent_options.ts";
import { certificates } from "../kit/certificates.ts";
import { grantOf, Place, type Worker } from "./kit.ts";
import { Raw } from "./raw.ts";

async function book(text: string): Promise<MemoryBlobRepository> {
  const repository = new MemoryBlobRepository("books");
  await repository.put("emma", text);
  return repository;
}

async function run(command: string, ...args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("the next agent of a state folder is the same one: address, name and tokens", async () => {
  await using place = await Place.make();
  const grant = grantOf("emma", { book: { kind: "value", repository: await book("a book"), key: "emma" } });
  const before = await place.admit(grant);
  const { address, agent: { id } } = place;
  await place.stop();
  await place.start();
  const after = await place.admit(grant);
  assert.deepEqual([place.address, place.agent.id, after.token], [address, id, before.token]);
  assert.equal((await before.ask("/in/book")).text, "a book");
  const { mode } = await Deno.stat(`${place.folder}/agent/secret`);
  assert.equal(mode! & 0o777, 0o600);
});

Deno.test("a port by chance is one that no outgoing connection is given", async () => {
  await using place = await Place.make();
  const { port } = place.agent.server;
  assert(port >= 20_000 && port < 32_768, `${port}`);
});

Deno.test("when its port is taken the agent listens at another, and says what that means", async () => {
  await using place = await Place.make();
  const { port } = place.agent.server;
  await place.stop();
  const other = Deno.listen({ hostname: "127.0.0.1", port });
  await place.start(200, 100);
  assert.notEqual(place.agent.server.port, port);
  assert.deepEqual(place.notices, [
    `Port ${port}, at which the agent has listened before, is taken by another program; it listens at ${place.agent.server.port} now. Work that runs elsewhere and knows the old port only cannot deliver, and is done again`,
  ]);
  other.close();
  const moved = place.agent.server.port;
  await place.stop();
  await place.start();
  assert.equal(place.agent.server.port, moved);
});

Deno.test("the agent speaks TLS, with an authority of its own", async () => {
  const folder = await Deno.makeTempDir();
  const tls = await certificates(folder);
  {
    await using place = await Place.make({ tls, idleTimeout: "1s" });
    const { url, authorities } = place.agent.server;
    assert.equal(url, `https://127.0.0.1:${place.agent.server.port}`);
    assert.equal(authorities, await Deno.readTextFile(tls.authorities));
    const path = `${place.folder}/out/report`;
    const worker = await place.admit(
      grantOf("emma", { book: { kind: "value", repository: await book("a secret book"), key: "emma" } }, {
        report: { kind: "file", path, tree: false },
      }),
    );
    using client = Deno.createHttpClient({ caCerts: [authorities!] });
    assert.equal((await worker.ask("/in/book", { client })).text, "a secret book");
    const header = `Authorization: ${worker.authorization.Authorization}`;
    const curl = ["-sS", "--fail", "--cacert", tls.authorities, "-H", header];
    assert.equal(await run("curl", ...curl, worker.url("/in/book")), "a secret book");
    await run("curl", ...curl, "-T", tls.certificate, worker.url("/out/report"));
    assert.equal(await Deno.readTextFile(path), await Deno.readTextFile(tls.certificate));
    await assert.rejects(worker.ask("/in/book"), TypeError);
    // Who says nothing is left, here as well, and keeps nobody from leaving.
    using silent = await Raw.open(place.address);
    assert.equal(await silent.rest(), "");
    using late = await Raw.open(place.address);
    await late.write("x");
    const plain = await fetch(worker.url("/in/book").replace("https", "http")).catch(() => undefined);
    assert.equal(plain?.ok ?? false, false);
    await plain?.body?.cancel();
  }
  await Deno.remove(folder, { recursive: true });
});

/** Books whose end comes a while after their last byte. */
class LateBooks extends MemoryBlobRepository {
  override async open(...args: Parameters<MemoryBlobRepository["open"]>): Promise<ReadableStream<Bytes>> {
    const late = new TransformStream<Bytes, Bytes>({
      flush: () => new Promise((resolve) => setTimeout(resolve, 20)),
    });
    return (await super.open(...args)).pipeThrough(late);
  }
}

Deno.test("an agent that speaks TLS answers one request after another when a value ends after its last byte", async () => {
  const folder = await Deno.makeTempDir();
  const tls = await certificates(folder);
  {
    await using place = await Place.make({ tls });
    const repository = new LateBooks("books");
    await repository.put("emma", "a book");
    await repository.put("empty", "");
    const given = (key: string) => ({ kind: "value", repository, key }) as const;
    const inputs = { book: given("emma"), empty: given("empty") };
    const worker = await place.admit(grantOf("emma", inputs));
    // By a process of its own, over one connection.
    const header = `Authorization: ${worker.authorization.Authorization}`;
    const paths = Array.from({ length: 60 }, (_, n) => n % 3 === 2 ? "/in/empty" : "/in/book");
    const asked = ["-sS", "--fail", "--max-time", "60", "--cacert", tls.authorities, "-H", header];
    const said = await run("curl", ...asked, ...paths.map((path) => worker.url(path)));
    assert.equal(said, "a book".repeat(40));
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the agent listens at an address of IPv6", async () => {
  await using place = await Place.make({ hostname: "::1" });
  const repository = await book("a book");
  const worker = await place.admit(grantOf("emma", { book: { kind: "value", repository, key: "emma" } }));
  assert.match(place.address, /^http:\/\/\[::1\]:\d+$/);
  assert.equal((await worker.ask("/in/book")).text, "a book");
});

/** A gate that passes requests on by the first part of their path, and streams bodies both ways. */
function gate(routes: ReadonlyMap<string, string>): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const [, prefix, id] = pathname.split("/");
    const to = prefix === "gate" ? routes.get(id!) : undefined;
    if (to === undefined) return new Response("no such agent\n", { status: 502 });
    const { method, headers, body } = request;
    return await fetch(`${to}${pathname.slice("/gate".length)}${search}`, { method, headers, body });
  });
}

Deno.test("several agents are found behind one address", async () => {
  const routes = new Map<string, string>();
  const server = gate(routes);
  {
    const url = `http://127.0.0.1:${server.addr.port}/gate/`;
    const options: AgentOptions = { url };
    await using one = await Place.make(options);
    await using two = await Place.make(options);
    const workers: Worker[] = [];
    for (const [place, text] of [[one, "of one"], [two, "of two"]] as const) {
      const { hostname, port } = place.agent.server;
      assert.equal(place.agent.server.url, url.slice(0, -1));
      routes.set(place.agent.id, `http://${hostname}:${port}`);
      workers.push(
        await place.admit(
          grantOf("emma", { book: { kind: "value", repository: await book(text), key: "emma" } }, {
            report: { kind: "file", path: `${place.folder}/report`, tree: false },
          }),
        ),
      );
    }
    const [first, second] = workers as [Worker, Worker];
    assert.equal((await first.ask("/in/book")).text, "of one");
    assert.equal((await second.ask("/in/book")).text, "of two");
    assert.equal((await first.put("/out/report", "for one")).status, 201);
    assert.equal((await second.put("/out/report", "for two")).status, 201);
    assert.equal(await Deno.readTextFile(`${one.folder}/report`), "for one");
    assert.equal(await Deno.readTextFile(`${two.folder}/report`), "for two");
    // The token of one opens nothing of the other.
    const crossed = await fetch(second.url("/in/book"), { headers: first.authorization });
    assert.equal(crossed.status, 401);
    await crossed.body?.cancel();
    assert.equal(await (await fetch(`${url}${one.agent.id}/health`)).text(), "ok\n");
  }
  await server.shutdown();
});

Deno.test("anybody may ask how the agent is", async () => {
  await using place = await Place.make();
  const worker = await place.admit(
    grantOf("emma", { book: { kind: "value", repository: await book("a book"), key: "emma" } }),
  );
  await worker.ask("/in/book");
  await worker.ask("/digest/book");
  await worker.ask("/digest/book");
  assert.equal(await (await fetch(`${place.address}/health`)).text(), "ok\n");
  const text = await (await fetch(`${place.address}/metrics`)).text();
  assert.match(text, /^datatask_agent_requests_total\{route="in",status="200"\} 1$/m);
  assert.match(text, /^datatask_agent_bytes_total\{direction="down"\} \d+$/m);
  assert.match(text, /^datatask_agent_attempts_admitted 1$/m);
  assert.match(text, /^datatask_agent_requests_in_flight 1$/m);
  assert.match(text, /^datatask_agent_digests_total\{from="memory"\} 1$/m);
  assert.match(text, /^datatask_agent_digests_total\{from="value"\} 1$/m);
});

async function refused(folder: string, options: AgentOptions, expected: RegExp, code: string): Promise<void> {
  await assert.rejects(
    startAgent({ folder, options, notice: () => {}, patienceMs: 0 }),
    (error: Error & { code?: string }) => {
      assert.match(error.message, expected);
      assert.equal(error.code, code);
      return true;
    },
  );
}

Deno.test("what keeps the agent from listening is told, with what to do", async () => {
  const folder = await Deno.makeTempDir();
  const other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = (other.addr as Deno.NetAddr).port;
  await refused(
    folder,
    { port },
    /^Cannot start the agent at 127\.0\.0\.1:\d+: another program listens there; end that program, or give \{ agent: \{ port \} \} another one$/,
    "unavailable",
  );
  other.close();
  await refused(
    folder,
    { hostname: "203.0.113.7" },
    /^Cannot start the agent at 203\.0\.113\.7:\d+: this machine has no such address; give \{ agent: \{ hostname \} \} one of its own/,
    "unavailable",
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("certificates that cannot be used are told, with the file", async () => {
  const folder = await Deno.makeTempDir();
  const tls = await certificates(folder);
  const file = `${folder}/text`;
  await Deno.writeTextFile(file, "no certificate");
  const wrong = async (change: Partial<typeof tls>, expected: RegExp): Promise<void> =>
    await refused(folder, { tls: { ...tls, ...change } }, expected, "resource-failed");
  await wrong(
    { certificate: `${folder}/none` },
    /^Cannot start the agent: cannot read agent\.tls\.certificate from .*none: /,
  );
  await wrong({ certificate: file }, /agent\.tls\.certificate in .*text holds no certificate in PEM$/);
  await wrong({ key: file }, /agent\.tls\.key in .*text holds no private key in PEM$/);
  await wrong({ authorities: file }, /agent\.tls\.authorities in .*text holds no certificate in PEM$/);
  const torn = (await Deno.readTextFile(tls.certificate)).slice(0, 200);
  await wrong({ certificate: torn }, /^Cannot start the agent: the certificate and its key cannot be used: /);
  await Deno.mkdir(`${folder}/other`);
  const { key } = await certificates(`${folder}/other`);
  await wrong({ key }, /^Cannot start the agent: agent\.tls\.key is not the key of agent\.tls\.certificate$/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a folder that cannot be used and a damaged secret are told", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/file`, "");
  await refused(
    `${folder}/file/agent`,
    {},
    /^Cannot start the agent: cannot use its folder .*file\/agent: /,
    "io",
  );
  await Deno.mkdir(`${folder}/agent`);
  await Deno.writeTextFile(`${folder}/agent/secret`, "cut sho");
  await refused(
    `${folder}/agent`,
    {},
    /^Cannot start the agent: its secret in .*secret is damaged; remove that file/,
    "io",
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("options that cannot be right are told before anything runs", () => {
  assert.deepEqual(
    agentFaults({ port: 8080, url: "https://gate.example/datatask", hostname: "0.0.0.0" }),
    [],
  );
  const tls = { certificate: "cert.pem", key: "key.pem" };
  assert.deepEqual(agentFaults({ port: 70_000, hostname: "" }), [
    "agent.port 70000 is no port; give a whole number from 1 to 65535, or leave it out",
    "agent.hostname is empty; give an address of this machine, or leave it out",
  ]);
  assert.deepEqual(agentFaults({ url: "gate.example" }), [
    'agent.url "gate.example" is no address; write it like "https://gate.example/datatask"',
  ]);
  assert.deepEqual(agentFaults({ url: "http://gate.example", tls }), [
    "agent.url http://gate.example is plain HTTP, but agent.tls makes it speak TLS; write https://",
  ]);
  assert.deepEqual(agentFaults({ hostname: "0.0.0.0", tls }), [
    "agent.tls with hostname 0.0.0.0 does not say under which name workers find it; add { url } with a name that the certificate holds",
  ]);
  assert.match(agentFaults({ maxUploadBytes: "much" })[0]!, /^Cannot read agent\.maxUploadBytes "much"/);
  assert.match(agentFaults({ idleTimeout: "soon" })[0]!, /^Cannot read agent\.idleTimeout "soon"/);
});
