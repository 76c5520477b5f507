/** What is said of a container, by what an engine shows of it. */
import assert from "node:assert/strict";
import type { Engine } from "../../../executors/docker/engine.ts";
import { type Inspected, statusOf } from "../../../executors/docker/status.ts";

const attempt = { task: "suite", job: "one", replica: 0, attempt: 1 };

/** What is said of a container that was killed just now, when its engine hears after some questions that its memory had run out. */
async function reasonOf(asked: number, more: Partial<Inspected["State"]> = {}): Promise<string | undefined> {
  const container = (OOMKilled: boolean): Inspected => ({
    Id: "4f1d",
    Name: "/datatask-suite-one",
    Created: new Date(0).toISOString(),
    Config: { Labels: {}, User: "" },
    HostConfig: { Memory: 64_000_000 },
    State: {
      Status: "exited",
      OOMKilled,
      ExitCode: 137,
      Error: "",
      StartedAt: new Date().toISOString(),
      FinishedAt: new Date().toISOString(),
      ...more,
    },
  });
  let questions = 0;
  const engine = {
    find: ({ path }: { readonly path: string }) =>
      Promise.resolve(path.endsWith("/json") ? container(++questions >= asked) : undefined),
    wasAway: () => false,
  };
  const status = await statusOf(engine as unknown as Engine, container(false), {
    attempt,
    notes: {},
    merged: true,
  }, false);
  assert(status.state === "finished");
  return status.reason;
}

Deno.test("a container whose engine hears late that its memory had run out is said to have had too little", async () => {
  assert.equal(await reasonOf(2), "out of memory: it may use 64000000 bytes; give it a larger quota");
});

Deno.test("a container that was killed by somebody is not said to have had too little memory", async () => {
  assert.equal(await reasonOf(Infinity), undefined);
  const FinishedAt = new Date(Date.now() - 60_000).toISOString();
  // Nobody asks after such a time.
  assert.equal(await reasonOf(0, { FinishedAt }), undefined);
  assert.equal(await reasonOf(0, { ExitCode: 3 }), undefined);
});
