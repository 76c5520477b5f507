/** Images are pulled from a real registry that wants a login. */
import assert from "node:assert/strict";
import { dockerExecutor } from "../../../executors/docker/mod.ts";
import type { PullPolicy } from "../../../executors/container_work.ts";
import {
  containerTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  Pipeline,
} from "../../../mod.ts";
import { needs } from "../../../testing/needs.ts";
import { runAll } from "../../pipeline/kit.ts";
import { type PrivateRegistry, privateRegistry } from "../private_registry.ts";
import { api, containersOf, docker, freshState, socket } from "./kit.ts";
import { programs } from "./own_engine.ts";

const available = docker.available && programs.available && needs("registry-program").available;

/** What a job of a pipeline says whose task runs in an image; or why it has failed. */
async function said(
  stack: AsyncDisposableStack,
  image: string,
  config: string | undefined,
  pull?: PullPolicy,
): Promise<{ readonly text?: string; readonly failed?: string }> {
  const state = freshState(stack);
  const registryAuth = `${state}/login.json`;
  if (config !== undefined) await Deno.writeTextFile(registryAuth, config);
  const [books, texts] = [new MemoryBlobRepository("books"), new MemoryBlobRepository("texts")];
  await books.put("emma", "");
  const task = containerTask("say", {
    done: new MemoryMetadataRepository("done"),
    executor: dockerExecutor({ socket, registryAuth }),
    image,
    ...(pull && { pull }),
    network: "none",
    links: { books: input(books, { as: "key" }) },
    stdout: texts,
    script: "cat /version",
  });
  const { events, summary } = await runAll(new Pipeline({ tasks: [task], state: `${state}/state` }));
  const told = JSON.stringify(events);
  assert.deepEqual([summary.succeeded + summary.failed, summary.stuck], [1, 0], told);
  assert(!told.includes("s3:cr:et"), told);
  if (summary.succeeded === 1) return { text: await texts.text("emma") };
  assert.deepEqual(await containersOf(`${state}/state/pipeline`), []);
  const ended = events.find((event) => event.type === "finished");
  assert(ended?.type === "finished", told);
  return { failed: ended.outcome.error?.message ?? told };
}

function registryTest(
  name: string,
  tls: boolean,
  body: (
    place: {
      readonly stack: AsyncDisposableStack;
      readonly registry: PrivateRegistry;
      readonly image: string;
    },
  ) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: !available,
    async fn() {
      await using stack = new AsyncDisposableStack();
      const registry = await privateRegistry(stack, tls);
      const image = `${registry.name}:1`;
      await registry.push("1", "one");
      stack.defer(() => api<void>("DELETE", `/images/${image}`, { force: "1" }).catch(() => {}));
      await body({ stack, registry, image });
    },
  });
}

registryTest(
  "a container task pulls its image from a registry that wants a login, when its policy says so",
  false,
  async ({ stack, registry, image }) => {
    assert.match(
      (await said(stack, image, registry.login(), "never")).failed ?? "",
      /^Cannot start say\/emma on docker: the engine does not have the image \S+:1, and it is never to be pulled; /,
    );
    const denied =
      /^Cannot start say\/emma on docker: the image \S+:1 may not be pulled \(.*\); check the name, or log in with "docker login 127\.0\.0\.1:\d+"$/;
    assert.match((await said(stack, image, undefined)).failed ?? "", denied);
    assert.match((await said(stack, image, registry.login("wrong"))).failed ?? "", denied);
    assert.match(
      (await said(stack, `${registry.name}:2`, registry.login())).failed ?? "",
      /^Cannot start say\/emma on docker: the image \S+:2 does not exist \(.*\); check its name and tag$/,
    );
    assert.deepEqual(await said(stack, image, registry.login()), { text: "one\n" });
    await registry.push("1", "two");
    // What is there needs no login.
    assert.deepEqual(await said(stack, image, undefined), { text: "one\n" });
    assert.deepEqual(await said(stack, image, undefined, "never"), { text: "one\n" });
    assert.match((await said(stack, image, registry.login("wrong"), "always")).failed ?? "", denied);
    assert.deepEqual(await said(stack, image, registry.login(), "always"), { text: "two\n" });
  },
);

registryTest(
  "a container task pulls its image over TLS, and fails when the registry refuses",
  true,
  async ({ stack, registry, image }) => {
    // The engine asks registries of its own machine again without TLS, and tells how that went.
    assert.match(
      (await said(stack, image, registry.login("wrong"))).failed ?? "",
      /^Cannot start say\/emma on docker: the image \S+:1 (cannot be pulled \(.*\); 127\.0\.0\.1:\d+ has refused it over HTTPS; check the name, the tag and the login, and the log of the engine|may not be pulled .*)$/,
    );
    assert.deepEqual(await said(stack, image, registry.login()), { text: "one\n" });
  },
);
