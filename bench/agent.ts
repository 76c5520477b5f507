/**
 * How quickly the agent moves large values, as a ratio to a bare `Deno.serve` that does no more than read or write the file: run by
 * `deno run -A bench/agent.ts`. Each server is a process of its own, the client is curl, and rounds of both are interleaved.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { startAgent } from "../agent/mod.ts";
import { json } from "../core/codec.ts";
import { FileRepository } from "../repositories/files.ts";
import { figure, median, say } from "./figure.ts";

/** How long the value is, in bytes. */
const SIZE = 512 * 2 ** 20;

const ROUNDS = 5;

/** What a server tells its client, on one line. */
interface Told {
  readonly down: string;
  readonly up: string;
  readonly token: string;
}

const [role, folder] = Deno.args;
if (role === "agent" || role === "bare") await (role === "agent" ? serveAgent : serveBare)(folder!);
else await measure();

function serveBare(folder: string): void {
  const { addr: { port } } = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      if (request.method === "GET") return new Response((await Deno.open(`${folder}/values/value`)).readable);
      const file = await Deno.open(`${folder}/bare`, { write: true, create: true, truncate: true });
      await request.body!.pipeTo(file.writable);
      return new Response("");
    },
  );
  const url = `http://127.0.0.1:${port}/`;
  console.log(JSON.stringify({ down: url, up: url, token: "" } satisfies Told));
}

async function serveAgent(folder: string): Promise<void> {
  const agent = await startAgent({ folder: `${folder}/agent`, notice: console.error });
  const repository = new FileRepository(`${folder}/values`);
  const { token, path, server } = await agent.admit({
    attempt: { task: "bench", job: "value", replica: 0, attempt: 1 },
    documents: json,
    inputs: new Map([["value", { kind: "value", repository, key: "value" }]]),
    outputs: new Map([["value", { kind: "file", path: `${folder}/received`, tree: false }]]),
  });
  const url = `http://${server.hostname}:${server.port}${path}`;
  console.log(JSON.stringify({ down: `${url}/in/value`, up: `${url}/out/value`, token } satisfies Told));
}

async function measure(): Promise<void> {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/values`);
  const value = `${folder}/values/value`;
  const hash = createHash("sha256");
  const file = await Deno.open(value, { write: true, createNew: true });
  for (let written = 0; written < SIZE; written += 2 ** 20) {
    const chunk = new Uint8Array(2 ** 20).fill(written >> 20);
    hash.update(chunk);
    for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
  }
  file.close();
  const sha256 = hash.digest("hex");
  const servers = [await start("bare", folder), await start("agent", folder)] as const;
  const [bare, agent] = servers;
  const header = ["-H", `Authorization: Bearer ${agent.told.token}`];
  const down: number[] = [];
  const up: number[] = [];
  const checked: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const bareDown = await curl([bare.told.down]);
    down.push(bareDown / await curl([...header, agent.told.down]));
    const bareUp = await curl(["-T", value, bare.told.up]);
    up.push(bareUp / await curl([...header, "-T", value, agent.told.up]));
    const digest = ["-H", `X-Datatask-Sha256: ${sha256}`];
    checked.push(bareUp / await curl([...header, ...digest, "-T", value, agent.told.up]));
    const speed = (ms: number): string => `${Math.round(SIZE / 2 ** 20 / ms * 1000)} MB/s`;
    say(`round ${round + 1}: bare down, bare up`, `${speed(bareDown)}, ${speed(bareUp)}`);
  }
  figure("512 MB from the agent, to a bare Deno.serve", median(down), "x", { atLeast: 0.7 });
  figure("512 MB to the agent, to a bare Deno.serve", median(up), "x", { atLeast: 0.7 });
  figure("512 MB to the agent with its digest, to a bare Deno.serve without", median(checked), "x", {
    atLeast: 0.5,
  });
  const peak = (await Deno.readTextFile(`/proc/${agent.process.pid}/status`)).match(/VmHWM:\s+(\d+)/)![1];
  figure("the most memory the agent held meanwhile", Number(peak) / 1024, "MB", { atMost: 256 });
  for (const { process } of servers) {
    process.kill("SIGKILL");
    await process.status;
    await process.stdout.cancel();
  }
  await Deno.remove(folder, { recursive: true });
}

async function start(role: string, folder: string): Promise<{ told: Told; process: Deno.ChildProcess }> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", import.meta.filename!, role, folder],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = process.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return { told: JSON.parse(new TextDecoder().decode(value)), process };
}

/** How long curl takes, in milliseconds. */
async function curl(args: readonly string[]): Promise<number> {
  const begun = performance.now();
  const { success, stderr } = await new Deno.Command("curl", {
    args: ["-sS", "--fail", "-o", "/dev/null", ...args],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return performance.now() - begun;
}
