/**
 * How quickly a large value travels to a host over SSH and back, as a ratio to bare sftp of ssh2 over one connection in the same minutes: run by
 * `eval "$(.ci/services/sshd.sh)"; deno run -A bench/delivery.ts [MB]`. A job also has a start and an end, and both sides make a digest of each value.
 *
 * @module
 */
import { Client } from "../deps/ssh2.ts";
import { sshExecutor } from "../executors/ssh/mod.ts";
import {
  FileRepository,
  input,
  MemoryMetadataRepository,
  output,
  Pipeline,
  processTask,
  sh,
} from "../mod.ts";
import { figure, median } from "./figure.ts";

/** How many rounds of each; the median of the ratios counts. */
const ROUNDS = 3;

const size = Number(Deno.args[0] ?? 200) * 1_000_000;
const variable = (name: string): string => {
  const value = Deno.env.get(name);
  if (value) return value;
  throw new Error(`${name} is not set: eval "$(.ci/services/sshd.sh)" first`);
};
const [host, user, identity] = ["SSH_HOST", "SSH_USER", "SSH_KEY"].map(variable) as [string, string, string];
const port = Number(variable("SSH_PORT"));
const dir = await Deno.makeTempDir();

/** What is used of sftp. */
interface Sftp {
  fastPut(from: string, to: string, done: (error?: Error) => void): void;
  fastGet(from: string, to: string, done: (error?: Error) => void): void;
}
const client = new Client();
await new Promise<void>((resolve, reject) => {
  client.on("ready", () => resolve()).on("error", reject);
  const privateKey = Deno.readTextFileSync(identity);
  client.connect({ host, port, username: user, privateKey }).setNoDelay(true);
});
const sftp = await new Promise<Sftp>((resolve, reject) => {
  const open = client as unknown as { sftp(done: (error: Error | undefined, sftp: Sftp) => void): void };
  open.sftp((error, sftp) => error ? reject(error) : resolve(sftp));
});

const values = new FileRepository(`${dir}/values`);
const copies = new FileRepository(`${dir}/copies`);
const file = await Deno.open(`${dir}/value`, { write: true, create: true });
for (let left = size; left > 0; left -= 1_000_000) {
  const chunk = new Uint8Array(1_000_000);
  for (let at = 0; at < chunk.length; at += 50_000) crypto.getRandomValues(chunk.subarray(at, at + 50_000));
  await file.write(chunk);
}
file.close();

async function bare(): Promise<number> {
  const begun = performance.now();
  await new Promise<void>((resolve, reject) =>
    sftp.fastPut(`${dir}/value`, `${dir}/there`, (error) => error ? reject(error) : resolve())
  );
  await new Promise<void>((resolve, reject) =>
    sftp.fastGet(`${dir}/there`, `${dir}/back`, (error) => error ? reject(error) : resolve())
  );
  return performance.now() - begun;
}

async function delivered(round: number): Promise<number> {
  await values.put(`round-${round}`, (await Deno.open(`${dir}/value`)).readable);
  const task = processTask("copy", {
    done: new MemoryMetadataRepository("done"),
    links: { values: input(values), copies: output(copies) },
    executor: sshExecutor({
      host,
      port,
      user,
      identity,
      knownHosts: variable("SSH_KNOWN_HOSTS"),
      root: `${dir}/host`,
    }),
    script: ({ values, copies }) => sh`mv ${values} ${copies}`,
  });
  const begun = performance.now();
  const summary = await new Pipeline({ tasks: [task], state: `${dir}/state` }).run().finished;
  if (summary.succeeded !== 1) throw new Error(`it has failed: ${JSON.stringify(summary)}`);
  await values.delete(`round-${round}`);
  await copies.delete(`round-${round}`);
  return performance.now() - begun;
}

const ratios: number[] = [];
const times: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const alone = await bare();
  const ours = await delivered(round);
  ratios.push(alone / ours);
  times.push(ours);
}
const rate = 2 * size / 1e6 / (median(times) / 1000);
figure(
  `${size / 1e6} MB to a host over SSH and back, speed beside sftp of ssh2`,
  median(ratios),
  "x",
  { atLeast: 0.5 },
  `${rate.toFixed(0)} MB/s`,
);
await new Promise<void>((resolve) => client.once("close", () => resolve()).end());
await Deno.remove(dir, { recursive: true });
