/** Runs one script on the engine at the socket that is its first argument, or on the one that its environment names when that is empty; its state goes into the folder that is the second. */
import { dockerExecutor } from "../../../executors/docker/mod.ts";

const [socket, state, image] = Deno.args as [string, string, string];
const executor = dockerExecutor(socket === "" ? {} : { socket });
await executor.open({ state });
const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };
const work = {
  kind: "container",
  image,
  script: "cat; exit 4",
  environment: {},
  mergeStderr: true,
  notes: {},
} as const;
const stdin = new Blob(["fine\n"]).stream();
await executor.start(attempt, { ...work, network: "none", stdin }, { quota: {} });
const status = await executor.wait(attempt);
const log = await new Response(await executor.logs(attempt)).text();
await executor.forget(attempt);
await executor.close();
console.log(JSON.stringify({ state: status.state, log }));
