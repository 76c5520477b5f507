/**
 * What people get wrong and what goes away, on every executor, in one pipeline each time: every fault is told with what to do, uses up no attempt where
 * it is not the task's own, and keeps nobody else from their work.
 */
import assert from "node:assert/strict";
import { smallDisk } from "../kit/small_disk.ts";
import { dockerExecutor } from "../../executors/docker/mod.ts";
import { kubernetesExecutor } from "../../executors/kubernetes/mod.ts";
import { sshExecutor } from "../../executors/ssh/mod.ts";
import {
  containerTask,
  functionTask,
  input,
  MemoryBlobRepository,
  moduleBody,
  Pipeline,
  type PipelineEvent,
  processTask,
  sh,
  type Task,
  workerPool,
} from "../../mod.ts";
import { blobs, copy, keysOf, outcomes, runAll } from "../pipeline/kit.ts";
import { docker, image as dockerImage, socket } from "./docker/kit.ts";
import { config, hostAddress, image as podImage } from "./kubernetes/cluster.ts";
import { freePort } from "../kit/own_process.ts";
import { OwnServer } from "./ssh/own_server.ts";
import { address, available as ssh } from "./ssh/server.ts";

/** How a task is expected to end: told as trouble of the place (`again`: until it was tried often enough), or as the outcome of its jobs. */
type Fate = "refused" | "again" | "failed" | "infrastructure";

/** Somebody's mistake or misfortune. */
interface Case {
  readonly name: string;
  readonly fate: Fate;
  /** What is told of it. */
  readonly says: RegExp;
  /** Makes the task, which has the job "a". */
  readonly task: (
    name: string,
    texts: MemoryBlobRepository,
    stack: AsyncDisposableStack,
  ) => Task | Promise<Task>;
}

const retry = { attempts: 2, delay: 1 };
const script = "true";

/** Where an error was thrown from where: nothing for a person who has mistaken a name. */
const STACK = /\n\s+at .*\n\s+at /;

/** Runs all of them beside a task that has nothing to do with them. With `lock`, while no test of faults has it. */
function rest(where: string, there: boolean, cases: readonly Case[], lock?: string): void {
  Deno.test({
    name: `${where}: what is wrong is told, and the rest of the pipeline goes on`,
    ignore: !there,
    async fn(t) {
      await using stack = new AsyncDisposableStack();
      if (lock !== undefined) {
        await stack.use(await Deno.open(lock, { create: true, write: true })).lock(false);
      }
      const state = await Deno.makeTempDir();
      stack.defer(() => Deno.remove(state, { recursive: true }));
      const texts = await blobs("texts", "a");
      const copies = new MemoryBlobRepository("copies");
      const tasks = [copy("beside", texts, copies)];
      for (const [i, { task }] of cases.entries()) tasks.push(await task(`bad-${i}`, texts, stack));
      const pipeline = new Pipeline({ tasks, state, random: () => 1, agent: { hostname: "0.0.0.0" } });
      const { events, summary } = await runAll(pipeline);
      assert.deepEqual(await keysOf(copies), ["a"]);
      for (const [i, { name, fate, says }] of cases.entries()) {
        await t.step(name, () => check(events, `bad-${i}`, fate, says));
      }
      assert.deepEqual([summary.succeeded, summary.ended], [1, "complete"]);
    },
  });
}

/** Sees that a task has had its fate, and what was told of it. */
function check(all: readonly PipelineEvent[], task: string, fate: Fate, says: RegExp): void {
  const troubles = all.flatMap((event) =>
    event.type === "trouble" && event.task === task ? [event.message] : []
  );
  const outcomes = all.flatMap((event) =>
    event.type === "finished" && event.attempt.task === task ? [event.outcome] : []
  );
  const retried = all.filter((event) => event.type === "retrying" && event.attempt.task === task);
  const told = JSON.stringify({ troubles, outcomes }, undefined, 2);
  if (fate === "failed") {
    assert.deepEqual(
      [outcomes.map(({ reason }) => reason), retried.length, troubles],
      [["failed"], 1, []],
      told,
    );
    assert.match(outcomes[0]!.error!.message, says, told);
    assert.doesNotMatch(outcomes[0]!.error!.message, STACK, told);
    return;
  }
  assert.deepEqual([outcomes, retried], [[], []], told);
  for (const text of troubles) {
    assert.match(text, says, told);
    assert.doesNotMatch(text, STACK, told);
  }
  assert.equal(troubles.length, fate === "refused" ? 1 : 6, told);
}

/** A task over SSH. */
const overSsh =
  (options: Partial<Parameters<typeof sshExecutor>[0]>): Case["task"] => async (name, texts, stack) => {
    const root = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(root, { recursive: true }));
    return processTask(name, {
      done: outcomes(`${name}-done`),
      links: { texts: input(texts) },
      executor: sshExecutor({ ...address, root, name, connectMs: 3000, ...options }),
      retry,
      script: ({ texts }) => sh`cat ${texts}`,
    });
  };

/** The programs of this machine that a worker needs, without those that speak HTTP. */
async function programs(stack: AsyncDisposableStack): Promise<string> {
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  for (const path of ["/usr/bin", "/bin"]) {
    for (const { name } of Deno.readDirSync(path)) {
      if (!/^(curl|wget|nc|ncat|busybox|netcat|.*nc\..*)$/.test(name)) {
        await Deno.symlink(`${path}/${name}`, `${folder}/${name}`).catch(() => {});
      }
    }
  }
  return folder;
}

/** A task over SSH whose host has no room for what it reads. */
const onFullDisk: Case["task"] = async (name, texts, stack) => {
  const root = await Deno.makeTempDir();
  const big = new MemoryBlobRepository("big");
  await big.put("a", "x".repeat(2_000_000));
  stack.defer(() => Deno.remove(root, { recursive: true }));
  assert(!stack.use(await smallDisk(root, "500k")).options.ignore, "this machine mounts no disk");
  // A server started earlier may not see the mount.
  const server = await OwnServer.start(stack);
  return processTask(name, {
    done: outcomes(`${name}-done`),
    links: { texts: input(texts), big: input(big) },
    executor: sshExecutor({ ...address, root, name, ...server.options }),
    retry,
    script: ({ big }) => sh`cat ${big}`,
  });
};

rest("over SSH", ssh, [
  {
    name: "a host where nobody listens",
    fate: "again",
    says: /^Cannot run task bad-0; .*nobody listens at that port; see that the server runs/,
    task: overSsh({ port: freePort() }),
  },
  {
    name: "a host with another key",
    fate: "refused",
    says:
      /^Cannot run task bad-1; its jobs are left for the next run, .*and not SHA256:other as hostKey says/,
    task: overSsh({ hostKey: "SHA256:other" }),
  },
  {
    name: "somebody whom the host does not know",
    fate: "refused",
    says: /the server accepts none of the keys or passwords offered .*; check user and identity/,
    task: overSsh({ user: "nobody-of-that-name" }),
  },
  {
    name: "no curl and no wget there",
    fate: "failed",
    says: /neither curl nor wget/,
    task: async (name, texts, stack) =>
      await overSsh({ environment: { PATH: await programs(stack) } })(name, texts, stack),
  },
  // Only who administers a machine can fill a small disk of it.
  ...(Deno.uid() === 0
    ? [
      {
        name: "a full disk there",
        fate: "again",
        says:
          /not counted as an attempt, .*: Cannot deliver the values of bad-4\/a: cannot bring input big: it cannot be written to .*: .*No space left on device/,
        task: onFullDisk,
      } as const,
    ]
    : []),
]);

/** A container task. */
const contained = (
  options: Partial<Parameters<typeof dockerExecutor>[0]>,
  more: { readonly image?: string; readonly quota?: { readonly memory: string } } = {},
) =>
(name: string, texts: MemoryBlobRepository): Task =>
  containerTask(name, {
    done: outcomes(`${name}-done`),
    links: { texts: input(texts) },
    executor: dockerExecutor({ socket, name, ...options }),
    image: dockerImage,
    retry,
    script,
    ...more,
  });

/** A container task whose image is not in the registry that its name says. */
const withoutImage: Case["task"] = (name, texts, stack) => {
  const registry = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) =>
      new URL(url).pathname === "/v2/"
        ? Response.json({})
        : Response.json({ errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] }, {
          status: 404,
        }),
  );
  stack.defer(() => registry.shutdown());
  return contained({}, { image: `127.0.0.1:${registry.addr.port}/none:1` })(name, texts);
};

rest("in containers", docker.available, [
  {
    name: "no engine",
    fate: "again",
    says: /^Cannot run task bad-0; .*\/no\/such\.sock/,
    task: contained({ socket: "/no/such.sock" }),
  },
  {
    name: "an image that is not there, of a registry that is away",
    fate: "again",
    says: /127\.0\.0\.1:9\/none:1/,
    task: contained({}, { image: "127.0.0.1:9/none:1" }),
  },
  {
    name: "more memory than there is",
    fate: "failed",
    says: /memory/,
    task: contained({ capacity: { memory: "64Ti" } }, { quota: { memory: "32Ti" } }),
  },
  {
    name: "an image that its registry does not have",
    fate: "failed",
    says: /the image 127\.0\.0\.1:\d+\/none:1 does not exist \(.*\); check its name and tag/,
    task: withoutImage,
  },
]);

/** A container task in pods. */
const inPods = (
  options: Parameters<typeof kubernetesExecutor>[0],
  more: { readonly image?: string; readonly quota?: { readonly cpu: number } } = {},
): Case["task"] =>
(name, texts) =>
  containerTask(name, {
    done: outcomes(`${name}-done`),
    links: { texts: input(texts) },
    executor: kubernetesExecutor({
      kubeconfig: config,
      name,
      patienceMs: 1000,
      agentAddress: hostAddress,
      ...options,
    }),
    image: podImage,
    retry,
    script,
    ...more,
  });

/** A task in pods with another kubeconfig. */
const asOther = (change: (text: string) => string): Case["task"] => async (name, texts, stack) => {
  const path = await Deno.makeTempFile();
  stack.defer(() => Deno.remove(path));
  await Deno.writeTextFile(path, change(await Deno.readTextFile(config)));
  return await inPods({ kubeconfig: path })(name, texts, stack);
};

rest("in pods", config !== "", [
  {
    name: "a kubeconfig without a context",
    fate: "refused",
    says: /context/,
    task: asOther((text) =>
      text.replace(/^"?current-context"?:.*$/m, "").replace(/"current-context":\s*"[^"]*",?/, "")
    ),
  },
  {
    name: "a token that is over",
    fate: "refused",
    says: /does not know who this is \(401\); the token or the certificate of .* has expired/,
    task: asOther((text) => text.replace(/user: \{ client[^}]*\}/, "user: { token: over }")),
  },
  {
    name: "a namespace that is not there",
    fate: "refused",
    says: /no-such-namespace/,
    task: inPods({ namespace: "no-such-namespace" }),
  },
  {
    name: "a manifest that the apiserver refuses",
    fate: "failed",
    says: /serviceaccount "nobody-of-that-name" not found; correct the task or the options of the executor/,
    task: inPods({ serviceAccount: "nobody-of-that-name" }),
  },
  {
    name: "more cores than any node has",
    fate: "failed",
    says: /cpu|cores/,
    task: inPods({ capacity: { cpu: 4000 } }, { quota: { cpu: 3000 } }),
  },
  {
    name: "an image of a registry that is away",
    fate: "again",
    says: /127\.0\.0\.1:9\/none:1/,
    task: inPods({}, { image: "127.0.0.1:9/none:1" }),
  },
], `${config}.lock`);

/** A function task whose body is a module with a text. */
const inPool = (text: string, deno?: string): Case["task"] => async (name, texts, stack) => {
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  await Deno.writeTextFile(`${folder}/body.ts`, text);
  return functionTask(name, {
    done: outcomes(`${name}-done`),
    links: { texts: input(texts) },
    retry,
    executor: workerPool({ name, size: 1, ...(deno !== undefined && { deno }) }),
  }, moduleBody<{ default(context: unknown): void }>(`file://${folder}/body.ts`));
};

rest("in a pool of workers", true, [
  {
    name: "no program of Deno",
    fate: "again",
    says:
      /Cannot start a worker: there is no program \/no\/such\/deno that this process may run; correct the option deno/,
    task: inPool("export default () => {};", "/no/such/deno"),
  },
  {
    name: "a module that imports what is not there",
    fate: "failed",
    says: /gone\.ts/,
    task: inPool('import "./gone.ts"; export default () => {};'),
  },
  {
    name: "a body that leaves",
    fate: "failed",
    says: /Deno\.exit|exit/,
    task: inPool("export default () => Deno.exit(3);"),
  },
]);
