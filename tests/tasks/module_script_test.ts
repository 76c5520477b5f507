/** Tests of bodies of modules on executors of processes and containers: what they see, what they may, and what becomes of them. */
import assert from "node:assert/strict";
import {
  functionTask,
  type Links,
  localExecutor,
  lookup,
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  moduleBody,
  type Outcome,
  outputs,
  type Permissions,
  Pipeline,
  type Task,
} from "../../mod.ts";
import { outcomes, runAll } from "../pipeline/kit.ts";
import { allLinks, textLinks } from "./bodies/links.ts";
import { CARRIED, inEach, type Where } from "./body_places.ts";

const acts = moduleBody<typeof import("./bodies/acts.ts")>(import.meta.resolve("./bodies/acts.ts"));
const kinds = moduleBody<typeof import("./bodies/kinds.ts")>(import.meta.resolve("./bodies/kinds.ts"));

/** Registers a test for each place. */
function everywhere(name: string, body: (where: () => Where, state: string) => Promise<void>): void {
  inEach(
    CARRIED.filter(({ name }) => name !== "on Kubernetes"),
    name,
    ({ where, state }) => body(() => where, state),
  );
}

function pipelineOf(tasks: readonly Task[], state: string): Pipeline {
  return new Pipeline({ tasks, state, agent: { hostname: "0.0.0.0" } });
}

everywhere("A body uses links of every kind, and its outputs are published,", async (where, state) => {
  const stores = {
    texts: new MemoryBlobRepository("texts"),
    documents: new MemoryMetadataRepository<{ readonly n: number }>("documents"),
    trees: new MemoryFilesystemRepository("trees"),
    outTexts: new MemoryBlobRepository("outTexts"),
    outStreams: new MemoryBlobRepository("outStreams"),
    outDocuments: new MemoryMetadataRepository<unknown>("outDocuments"),
    outTrees: new MemoryFilesystemRepository("outTrees"),
    index: new MemoryMetadataRepository<unknown>("index"),
  };
  const text = "wörds \u{1f4d6} ' \" $HOME\n".repeat(1000);
  const bytes = new TextEncoder().encode("two");
  await stores.texts.put("emma", text);
  await stores.documents.set("emma", { n: 4 });
  await stores.trees.put("emma", [
    { kind: "directory", path: "folder", mode: 0o755 },
    {
      kind: "file",
      path: "folder/b",
      mode: 0o644,
      size: bytes.length,
      open: () => Promise.resolve(new Blob([bytes]).stream()),
    },
  ]);
  const task = functionTask(
    "kinds",
    { done: outcomes(), links: allLinks(stores), ...where() as object },
    kinds,
  );
  await using pipeline = pipelineOf([task], state);
  await runAll(pipeline);
  const outcome = await task.outcomes.done.get("emma");
  assert(outcome.success, outcome.error?.message ?? outcome.reason);
  assert.equal(await stores.outTexts.text("emma"), "text");
  assert.equal(await stores.outStreams.text("emma"), text);
  assert.deepEqual(await stores.index.get("emma"), {
    at: new Date(0),
    big: 2n ** 70n,
    nan: NaN,
    nothing: undefined,
    bytes: Uint8Array.of(0, 10, 255),
  });
  assert.equal(await new Response(await stores.outTrees.open("emma", "made/y")).text(), "yyy");
  const { about, missing, ...seen } = await stores.outDocuments.get("emma") as Record<string, unknown>;
  assert.deepEqual(about, {
    job: "emma",
    task: "kinds",
    attempt: 1,
    replica: 0,
    quota: { cpu: 1 },
    aborted: false,
  });
  assert.deepEqual((missing as string[]).slice(0, 2), ["NotFoundError", "not-found"]);
  assert.deepEqual(seen, {
    text,
    length: new TextEncoder().encode(text).length,
    exists: [true, false],
    document: { n: 4 },
    found: { n: 4 },
    value: { n: 4 },
    key: "emma",
    keys: ["emma", "emma"],
    files: ["folder", ["folder/b", "two"]],
    file: "two",
  });
});

everywhere(
  "A body may read its inputs and write its outputs, and is told what would allow more,",
  async (where, state) => {
    const folder = await Deno.makeTempDir();
    const results = await perform(
      [
        "echo hello",
        "read /etc/passwd",
        `write ${folder}/new`,
        "net http://127.0.0.1:65530/",
        "env HOME",
        "run true",
        "sys",
        "throw bad luck",
        "exit 0",
        "reject",
        "nothing",
      ],
      where(),
      state,
      { sys: ["hostname"] },
    );
    const said = results.map(({ outcome, text }) => text ?? outcome.error!.message);
    // The name of a host, whichever it is.
    assert.match(said[6]!, /^[\w.-]+$/);
    const allow = (what: string, declaration: string): string =>
      `NotCapable: Requires ${what}; to allow it, add permissions: { ${declaration} } to task acts`;
    assert.deepEqual(said.toSpliced(6, 1).slice(0, 9), [
      "hello",
      allow('read access to "/etc/passwd"', 'read: ["/etc/passwd"]'),
      allow(`write access to "${folder}/new"`, `write: ["${folder}/new"]`),
      allow('net access to "127.0.0.1:65530"', 'net: ["127.0.0.1:65530"]'),
      allow('env access to "HOME"', 'env: ["HOME"]'),
      allow('run access to "true"', 'run: ["true"]'),
      "RangeError: bad luck",
      "The body called Deno.exit(0) before it had returned; a body returns or throws",
      "Error: nobody waits for me",
    ]);
    assert.equal(results.at(-1)!.outcome.reason, "missing-output");
    await Deno.remove(folder);
  },
);

everywhere(
  "A body with links to many values may talk to the agent, and is refused all other hosts and ports,",
  async (where, state) => {
    const results = await perform(
      ["net http://127.0.0.1:65530/", "net http://192.0.2.1/", "read /etc/passwd", "env HOME", "echo hello"],
      where(),
      state,
      {},
      { any: lookup(new MemoryBlobRepository("any")), pages: outputs(new MemoryBlobRepository("pages")) },
    );
    assert.deepEqual(results.map(({ outcome, text }) => text ?? outcome.error!.message), [
      'NotCapable: Requires net access to "127.0.0.1:65530"; to allow it, add permissions: { net: ["127.0.0.1:65530"] } to task acts',
      'NotCapable: Requires net access to "192.0.2.1:80"; to allow it, add permissions: { net: ["192.0.2.1:80"] } to task acts',
      'NotCapable: Requires read access to "/etc/passwd"; to allow it, add permissions: { read: ["/etc/passwd"] } to task acts',
      'NotCapable: Requires env access to "HOME"; to allow it, add permissions: { env: ["HOME"] } to task acts',
      "hello",
    ]);
  },
);

/** Runs acts, each as a job of one task. */
async function perform(
  texts: readonly string[],
  where: Where,
  state: string,
  permissions: Permissions,
  more: Links = {},
): Promise<{ readonly outcome: Outcome; readonly text: string | undefined }[]> {
  const [from, to] = [new MemoryBlobRepository("from"), new MemoryBlobRepository("to")];
  for (const [at, text] of texts.entries()) await from.put(`job-${at}`, text);
  const links = { ...textLinks(from, to), ...more };
  const options = { done: outcomes(), links, permissions, concurrency: 2, ...where };
  const task = functionTask(
    "acts",
    options as object as { done: typeof options.done; links: typeof options.links },
    acts,
  );
  await using pipeline = pipelineOf([task], state);
  await runAll(pipeline);
  return await Promise.all(texts.map(async (_, at) => {
    const bytes = await to.find(`job-${at}`);
    return {
      outcome: await task.outcomes.done.get(`job-${at}`),
      text: bytes && new TextDecoder().decode(bytes),
    };
  }));
}

Deno.test("A machine without Deno, and a module that is not there, are said to be so", async () => {
  const state = await Deno.makeTempDir();
  const [{ outcome }] = await perform(
    ["echo x"],
    { executor: localExecutor(), deno: "no-such-deno" },
    state,
    {},
  ) as [
    Awaited<ReturnType<typeof perform>>[0],
  ];
  assert.equal(
    outcome.error!.message,
    "There is no no-such-deno where this runs; install Deno there, or use an image that has it",
  );
  const from = new MemoryBlobRepository("from");
  await from.put("1", "x");
  const address = `file://${state}/absent.ts`;
  const task = functionTask("task", {
    done: outcomes(),
    links: textLinks(from, new MemoryBlobRepository("to")),
    executor: localExecutor(),
  }, moduleBody<typeof import("./bodies/acts.ts")>(address));
  await using pipeline = pipelineOf([task], state);
  await runAll(pipeline);
  const { error, reason } = await task.outcomes.done.get("1");
  assert.equal(reason, "failed");
  assert.match(error!.message, new RegExp(`^Cannot carry the module ${address}: Module not found`));
  await Deno.remove(state, { recursive: true });
});
